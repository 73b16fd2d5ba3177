using System.CommandLine;
using Cocoon.Enclave;
using Cocoon.Enclave.Devices;
using Cocoon.Protocol.Cryptography.Hpke;

namespace Cocoon.Node.Cli;

/// <summary>
/// The hidden verb that the node starts itself with: this process then is the enclave. The only file of the host that knows the enclave's code.
/// </summary>
internal static class EnclaveCommand
{
    public const string Name = "enclave";

    /// <param name="suites">Suites of the receiving keys.</param>
    public static Command Build(IReadOnlyList<HpkeSuite> suites)
    {
        Option<int> parent = new("--parent") { Description = "Process id of the supervisor." };
        Option<string[]> read = new("--read") { Description = "A path that the engine reads.", AllowMultipleArgumentsPerToken = false };
        Option<string?> natives = new(EnclaveProcess.NativesArgument) { Description = "Folder of the llama.cpp libraries." };
        Option<bool> confined = new(EnclaveProcess.ConfinedArgument) { Description = "Already inside Landlock." };
        Option<string?> describe = new(ModelDescriber.Argument) { Description = "Describe this model file instead of serving one." };
        Option<bool> hash = new("--hash") { Description = "With the SHA-256 of its files." };
        Option<bool> devices = new(DeviceLister.Argument) { Description = "List the devices that inference could use." };
        Option<string?> bench = new(EngineBench.Argument) { Description = "Measure a model: a configuration in JSON." };
        Option<int[]> sequences = new("--sequences") { Description = "Answers at a time, each measured.", AllowMultipleArgumentsPerToken = false };
        Option<int> rounds = new("--rounds") { Description = "Measurements of each." };
        Option<uint> power = new(PowerLimit.Argument) { Description = "Cap NVIDIA GPUs at this many watts until the input ends." };
        Option<int> upstream = new("--upstream-port") { Description = "TCP port on loopback of the server that is the engine." };
        Option<bool> unprotected = new("--unprotected") { Description = "Run although a protection is missing." };
        Command command = new(Name, "Runs the enclave on inherited pipes.") { Hidden = true };
        foreach (Option option in new Option[] { parent, read, natives, confined, unprotected, describe, hash, upstream, devices, bench, sequences, rounds, power })
        {
            command.Add(option);
        }

        command.SetAction((result, cancellationToken) =>
        {
            EnclaveProcessArguments arguments = new(
                result.GetValue(parent),
                result.GetValue(read) ?? [],
                result.GetValue(natives),
                result.GetValue(confined),
                result.GetValue(unprotected),
                result.GetValue(upstream));
            return result.GetValue(describe) is { } path ? EnclaveProcess.DescribeAsync(arguments, path, result.GetValue(hash), cancellationToken)
                : result.GetValue(devices) ? EnclaveProcess.ListDevicesAsync(arguments, cancellationToken)
                : result.GetValue(power) is > 0 and var watts ? PowerLimit.RunAsync(watts, Console.In, Console.Out, cancellationToken)
                : result.GetValue(bench) is { } configuration
                    ? EnclaveProcess.BenchAsync(arguments, configuration, result.GetValue(sequences) ?? [1], Math.Max(1, result.GetValue(rounds)), cancellationToken)
                : EnclaveProcess.RunAsync(arguments, loadEngine: null, suites, cancellationToken);
        });
        return command;
    }
}
