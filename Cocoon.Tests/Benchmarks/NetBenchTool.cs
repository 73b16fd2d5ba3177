using System.Text.Json.Nodes;

namespace Cocoon.Tests.Benchmarks;

/// <summary>The parts of <c>scripts/bench-net</c> that need no second implementation. Each prints one JSON line.</summary>
internal static class NetBenchTool
{
    public const string Verb = "net-bench";

    public static async Task<int> RunAsync(string[] arguments, TextReader input, TextWriter output, TextWriter errors)
    {
        switch (arguments)
        {
            case ["idle"]:
                return Print(await IdleConnectionsBench.RunAsync());
            case [IdleConnectionsBench.ListenerVerb]:
                return await IdleConnectionsBench.ListenAsync(input, output);
            case ["gossip"]:
                return Print(await GossipValidationBench.RunAsync());
            case ["frames"]:
                return Print(await FrameAllocationBench.RunAsync());
            default:
                await errors.WriteLineAsync($"error: usage: {Verb} idle|gossip|frames");
                return 2;
        }

        int Print(JsonObject result)
        {
            output.WriteLine(result.ToJsonString());
            return 0;
        }
    }
}
