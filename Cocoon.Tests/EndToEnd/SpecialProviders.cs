using Cocoon.Tests.Support;

namespace Cocoon.Tests.EndToEnd;

/// <summary>Two more providers on the shared network, started when a test first asks: a model that makes vectors and one that thinks and calls; and a client of theirs.</summary>
internal static class SpecialProviders
{
    public const string EmbeddingModel = "cocoon-vectors";
    public const string CallerModel = "cocoon-caller";

    private static readonly Lazy<Task> s_started = new(RunAsync);

    /// <summary>Uses both and the cheap provider: with the dear one too it would be more channels than a client opens in an hour.</summary>
    public static CocoonNode Client { get; private set; } = null!;

    public static Task StartAsync() => s_started.Value;

    private static async Task RunAsync()
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(3));
        Task<CocoonNode> vectors = SharedNetwork.Network.StartProviderAsync(
            "vectors", 0.04m, 0.16m, limit.Token, TestModel.Ensure(TestModelMode.Embedding), EmbeddingModel);
        Task<CocoonNode> caller = SharedNetwork.Network.StartProviderAsync(
            "caller", 0.04m, 0.16m, limit.Token, TestModel.Ensure(TestModelMode.Caller), CallerModel);
        Client = await SharedNetwork.Network.StartClientAsync("special", 2 * CocoonNetwork.Ton, limit.Token);
        await CocoonNetwork.WaitForOffersAsync(Client, limit.Token, SharedNetwork.Cheap, SharedNetwork.Dear, await vectors, await caller);
    }
}
