using Cocoon.Tests.Support;

namespace Cocoon.Tests.EndToEnd;

/// <summary>Two more providers on the shared network, started when a test first asks: a model that makes vectors and one that thinks and calls.</summary>
internal static class SpecialProviders
{
    public const string EmbeddingModel = "cocoon-vectors";
    public const string CallerModel = "cocoon-caller";

    private static readonly Lazy<Task> s_started = new(RunAsync);

    public static Task StartAsync() => s_started.Value;

    private static async Task RunAsync()
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(3));
        Task<CocoonNode> vectors = SharedNetwork.Network.StartProviderAsync(
            "vectors", 0.04m, 0.16m, limit.Token, TestModel.Ensure(TestModelMode.Embedding), EmbeddingModel);
        Task<CocoonNode> caller = SharedNetwork.Network.StartProviderAsync(
            "caller", 0.04m, 0.16m, limit.Token, TestModel.Ensure(TestModelMode.Caller), CallerModel);
        await CocoonNetwork.WaitForOffersAsync(SharedNetwork.Client, limit.Token, await vectors, await caller);
    }
}
