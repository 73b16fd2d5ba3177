using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>The network that tests share which harm no node: two providers at different prices and one light client.</summary>
/// <remarks>Only <see cref="MainJobTests"/> settles channels here, so that it may compare the providers' balances.</remarks>
[SetUpFixture]
public sealed class SharedNetwork
{
    internal static CocoonNetwork Network { get; private set; } = null!;

    internal static CocoonNode Cheap { get; private set; } = null!;

    internal static CocoonNode Dear { get; private set; } = null!;

    internal static CocoonNode Client { get; private set; } = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(3));
        Network = await CocoonNetwork.StartAsync(limit.Token);
        Task<CocoonNode> cheap = Network.StartProviderAsync("cheap", 0.04m, 0.16m, limit.Token);
        Task<CocoonNode> dear = Network.StartProviderAsync("dear", 0.05m, 0.24m, limit.Token);
        Task<CocoonNode> client = Network.StartClientAsync("client", 2 * CocoonNetwork.Ton, limit.Token);
        (Cheap, Dear, Client) = (await cheap, await dear, await client);
        await CocoonNetwork.WaitForOffersAsync(Client, limit.Token, Cheap, Dear);
    }

    /// <summary>Lets the opening window of every channel that is open by now end: chain time goes on by more than its 60 s.</summary>
    /// <remarks>
    /// In steps, with time for everybody between them: tests beside this one open channels of their own, which have to be on the chain
    /// within their window.
    /// </remarks>
    internal static async Task PassOpeningWindowAsync(CancellationToken cancellationToken)
    {
        using PeriodicTimer pace = new(TimeSpan.FromSeconds(1.5));
        for (int step = 0; step < 5 && await pace.WaitForNextTickAsync(cancellationToken); step++)
        {
            await Network.Devnet.AdvanceAsync(13);
        }
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (Network is not null)
        {
            await Network.DisposeAsync();
        }
    }
}
