using Cocoon.Node.Payments;
using Cocoon.Node.Registry;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Ton;

namespace Cocoon.Tests.Support;

/// <summary>Puts a registry on a chain. Its admin is the wallet that deploys it.</summary>
internal sealed class RegistryDeployer(IChainWallet admin, ITonClient client, TimeProvider time)
{
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(500);

    /// <summary>Deploys and returns when the chain shows it; an equal registry that is there already is used.</summary>
    /// <param name="timeLock">Seconds; never changes afterwards.</param>
    /// <exception cref="PaymentException">The wallet could not send, or the account does not become a registry.</exception>
    public async Task<TonAddress> DeployAsync(uint timeLock, NetParams parameters, IReadOnlyList<string> bootstrap, CancellationToken cancellationToken)
    {
        RegistryContract registry = RegistryContract.Create(admin.Address, timeLock, parameters, bootstrap);
        if (await IsThereAsync(registry, cancellationToken))
        {
            return registry.Address;
        }

        await ClientChannels.SendAsync(admin, new PaymentIntent($"registry:{registry.Address}", registry.Deploy(RegistryDefaults.DeployValue)), cancellationToken);
        while (!await IsThereAsync(registry, cancellationToken))
        {
            await Task.Delay(s_poll, time, cancellationToken);
        }

        return registry.Address;
    }

    /// <summary>Proposes a change; anybody may apply it when the time lock has passed.</summary>
    /// <returns>Its number.</returns>
    public async Task<uint> ProposeAsync(TonAddress registry, RegistryChange change, CancellationToken cancellationToken)
    {
        RegistryState before = await ReadAsync(registry, cancellationToken);
        ulong query = ClientChannels.QueryId();
        await ClientChannels.SendAsync(
            admin, new PaymentIntent($"propose:{registry}:{query}", new RegistryContract(registry).Propose(change, query)), cancellationToken);
        return before.NextId;
    }

    public async Task ApplyAsync(TonAddress registry, uint id, CancellationToken cancellationToken)
    {
        ulong query = ClientChannels.QueryId();
        await ClientChannels.SendAsync(
            admin, new PaymentIntent($"apply:{registry}:{id}", new RegistryContract(registry).Apply(id, query)), cancellationToken);
    }

    private async Task<bool> IsThereAsync(RegistryContract registry, CancellationToken cancellationToken)
    {
        TonAccount account = await client.GetAccountAsync(registry.Address, cancellationToken);
        return account.IsActive && account.Code?.Hash == RegistryContract.CodeHash;
    }

    private async Task<RegistryState> ReadAsync(TonAddress registry, CancellationToken cancellationToken)
    {
        TonAccount account = await client.GetAccountAsync(registry, cancellationToken);
        return account.Data is { } data
            ? RegistryContract.ParseState(data)
            : throw new PaymentException(PaymentErrorCode.Chain, $"There is no registry at {registry}.");
    }
}
