using Cocoon.Tests.Support;

namespace Cocoon.Tests.EndToEnd;

/// <summary>One more provider on the shared network, started when a test first asks, with two models: one that makes vectors and one that thinks and calls; and a client of it.</summary>
internal static class SpecialProviders
{
    public const string EmbeddingModel = "cocoon-vectors";
    public const string CallerModel = "cocoon-caller";

    private static readonly Lazy<Task> s_started = new(RunAsync);

    public static CocoonNode Provider { get; private set; } = null!;

    /// <summary>Uses both and the cheap provider: with the dear one too it would be more channels than a client opens in an hour.</summary>
    public static CocoonNode Client { get; private set; } = null!;

    public static Task StartAsync() => s_started.Value;

    private static async Task RunAsync()
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(3));
        Provider = await SharedNetwork.Network.StartProviderAsync(
            "special", 0.04m, 0.16m, limit.Token, TestModel.Ensure(TestModelMode.Embedding), EmbeddingModel,
            ["--slots", "2", "--model", TestModel.Ensure(TestModelMode.Caller), "--name", CallerModel, "--slots", "3"]);
        Client = await SharedNetwork.Network.StartClientAsync("special-client", 2 * CocoonNetwork.Ton, limit.Token);
        await CocoonNetwork.WaitForOffersAsync(Client, limit.Token, SharedNetwork.Cheap, SharedNetwork.Dear, Provider);
    }
}
