using System.Runtime.InteropServices;
using Cocoon.Enclave;
using Cocoon.Enclave.Devices;
using Cocoon.Protocol.Cryptography.Hpke;

namespace Cocoon.Node.Cli;

/// <summary>
/// The hidden verb that the node starts itself with: this process then is the enclave. The only file of the host that knows the enclave's code.
/// </summary>
/// <remarks>
/// It stands beside the command line of people and reads its few words itself: the process must stay small. A terminal and a service
/// manager send their signals to every process of a node at once: the node lets running answers end first, so what serves them stays
/// until the node ends it or is gone.
/// </remarks>
internal static class EnclaveCommand
{
    public const string Name = "enclave";

    private const string Parent = "--parent", Read = "--read", Unprotected = "--unprotected", Hash = "--hash", UpstreamPort = "--upstream-port",
        Sequences = "--sequences", Rounds = "--rounds";

    private static readonly string[] Flags = [EnclaveProcess.ConfinedArgument, Unprotected, Hash, DeviceLister.Argument];

    private static readonly string[] Names =
        [Parent, Read, EnclaveProcess.NativesArgument, ModelDescriber.Argument, UpstreamPort, EngineBench.Argument, Sequences, Rounds, PowerLimit.Argument];

    /// <param name="words">What follows the verb.</param>
    /// <param name="suites">Suites of the receiving keys.</param>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(string[] words, IReadOnlyList<HpkeSuite> suites)
    {
        using CancellationTokenSource stop = new();
        Func<Task<int>> run;
        bool isServing;
        try
        {
            (run, isServing) = Choose(new EnclaveWords(words, Flags, Names), suites, stop.Token);
        }
        catch (FormatException e)
        {
            await Console.Error.WriteLineAsync($"error: {e.Message}\n  fix  leave it to cocoon up, which starts this by itself");
            return ExitCode.Usage;
        }

        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        return await run();

        void OnSignal(PosixSignalContext signal)
        {
            signal.Cancel = true;
            if (!isServing)
            {
                stop.Cancel();
            }
        }
    }

    private static (Func<Task<int>> Run, bool IsServing) Choose(EnclaveWords words, IReadOnlyList<HpkeSuite> suites, CancellationToken cancellationToken)
    {
        EnclaveProcessArguments arguments = new(
            words.Number(Parent),
            words.Values(Read),
            words.Value(EnclaveProcess.NativesArgument),
            words.Has(EnclaveProcess.ConfinedArgument),
            words.Has(Unprotected),
            words.Number(UpstreamPort));
        if (words.Value(ModelDescriber.Argument) is { } path)
        {
            return (() => EnclaveProcess.DescribeAsync(arguments, path, words.Has(Hash), cancellationToken), false);
        }

        if (words.Has(DeviceLister.Argument))
        {
            return (() => EnclaveProcess.ListDevicesAsync(arguments, cancellationToken), false);
        }

        if (words.Number(PowerLimit.Argument) is > 0 and var watts)
        {
            return (() => PowerLimit.RunAsync((uint)watts, Console.In, Console.Out, cancellationToken), false);
        }

        if (words.Value(EngineBench.Argument) is { } configuration)
        {
            IReadOnlyList<int> sequences = words.Has(Sequences) ? words.Numbers(Sequences) : [1];
            int rounds = Math.Max(1, words.Number(Rounds));
            return (() => EnclaveProcess.BenchAsync(arguments, configuration, sequences, rounds, cancellationToken), false);
        }

        return (() => EnclaveProcess.RunAsync(arguments, loadEngine: null, suites, cancellationToken), true);
    }
}
