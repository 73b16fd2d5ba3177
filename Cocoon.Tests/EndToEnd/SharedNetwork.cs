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

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (Network is not null)
        {
            await Network.DisposeAsync();
        }
    }
}
