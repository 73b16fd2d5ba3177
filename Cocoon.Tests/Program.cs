using Cocoon.Tests.Node.Storage;
using NUnit.Framework;

[assembly: Parallelizable(ParallelScope.Fixtures)]
[assembly: LevelOfParallelism(2)]

namespace Cocoon.Tests;

/// <summary>Tests run through the test host; the executable's own entry offers the helper programs the tests and scripts start.</summary>
internal static class Program
{
    private const string Usage = """
        Tests run with scripts/test, or: dotnet test Cocoon.Tests -c Release --filter FullyQualifiedName~NAME

        Programs for people in this executable, each with --help:
          libp2p-peer    a bare node of our libp2p stack, driven by JSON lines
          simulate       the whole network under virtual time (scripts/simulate)
          fuzz           random input for every parser (scripts/fuzz)

        The others are what tests and scripts start.
        """;

    private static async Task<int> Main(string[] args)
    {
        switch (args)
        {
            case [StoreCrashTool.Verb, string directory]:
                return await StoreCrashTool.RunAsync(directory);
            case [Benchmarks.TonBenchTool.Verb, .. string[] rest]:
                return await Benchmarks.TonBenchTool.RunAsync(rest);
            case ["ton-vectors"]:
                return Vectors.TonVectorsTool.Run(Console.In, Console.Out, Console.Error);
            case [Node.Enclaves.EnclaveTool.ChildVerb, ..]:
                return await Node.Enclaves.EnclaveTool.RunChildAsync(args[1..]);
            case [Node.Enclaves.EnclaveTool.ParentVerb]:
                return await Node.Enclaves.EnclaveTool.RunParentAsync();
            case [EndToEnd.UnsealedProgram.Verb, .. string[] rest]:
                return await EndToEnd.UnsealedProgram.RunAsync(rest);
            case [Cocoon.Node.Cli.EnclaveCommand.Name, .. string[] rest]:
                // The enclave of a node that this executable is.
                return await EndToEnd.UnsealedProgram.RunEnclaveAsync(rest);
            case [EndToEnd.MemorySearchTool.Verb, string processId, string text]:
                return EndToEnd.MemorySearchTool.Run(int.Parse(processId, System.Globalization.CultureInfo.InvariantCulture), text, Console.Out);
            case [Fuzzing.FuzzTool.Verb, .. string[] rest]:
                return Fuzzing.FuzzTool.Run(rest, Console.Out, Console.Error);
            case [Simulation.SimulateTool.Verb, .. string[] rest]:
                return Simulation.SimulateTool.Run(rest, Console.Out, Console.Error);
            case [Interop.Libp2pPeerTool.Verb, .. string[] rest]:
                return await Interop.Libp2pPeerTool.RunAsync(rest, Console.In, Console.Out, Console.Error);
            case [Protocol.PortMapping.PortGatewayTool.Verb, string address]:
                return await Protocol.PortMapping.PortGatewayTool.RunAsync(System.Net.IPAddress.Parse(address), Console.In, Console.Out);
            case [Benchmarks.MoneyBenchTool.Verb]:
                return await Benchmarks.MoneyBenchTool.RunAsync(Console.Out);
            case [Benchmarks.ChannelMemoryTool.Verb]:
                return await Benchmarks.ChannelMemoryTool.RunAsync(Console.Out);
            case [Benchmarks.EngineBenchTool.ModelVerb, string size]:
                return Benchmarks.EngineBenchTool.WriteModel(size, Console.Out);
            case [Enclave.Models.HostileLoadTests.Verb]:
                return await Enclave.Models.HostileLoadTests.RunAsync(Console.In, Console.Out);
            case [Enclave.Inference.LongWordTests.Verb]:
                return await Enclave.Inference.LongWordTests.RunAsync(Console.In, Console.Out);
            case [Enclave.Devices.PowerLimitTests.Verb, string watts]:
                return await Enclave.Devices.PowerLimitTests.RunAsync(watts);
            case [Enclave.Devices.NvmlTests.Verb]:
                return Enclave.Devices.NvmlTests.Run(Console.Out);
            case [Benchmarks.EngineBenchTool.SayVerb, string path]:
                return await Benchmarks.EngineBenchTool.SayAsync(path, Console.Out);
            case [Benchmarks.EngineBenchTool.Verb, string model, string slots, string context]:
                return await Benchmarks.EngineBenchTool.RunAsync(
                    model, int.Parse(slots, System.Globalization.CultureInfo.InvariantCulture), int.Parse(context, System.Globalization.CultureInfo.InvariantCulture),
                    Console.In, Console.Out);
            case [Benchmarks.AttestationBenchTool.Verb]:
                return Benchmarks.AttestationBenchTool.Run(Console.Out, Console.Error);
            case [Benchmarks.NetBenchTool.Verb, .. string[] rest]:
                return await Benchmarks.NetBenchTool.RunAsync(rest, Console.In, Console.Out, Console.Error);
            case [Benchmarks.SealingBenchTool.Verb]:
                return Benchmarks.SealingBenchTool.Run(Console.Out);
            case [] or ["--help" or "-h"]:
                await Console.Out.WriteLineAsync(Usage);
                return 0;
            default:
                await Console.Error.WriteLineAsync($"unknown tool '{(args.Length > 0 ? args[0] : "")}'");
                return 2;
        }
    }
}
