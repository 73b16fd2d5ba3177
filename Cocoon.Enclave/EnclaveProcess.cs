using Cocoon.Enclave.Devices;
using Cocoon.Enclave.Hardening;
using Cocoon.Enclave.Inference.LlamaCpp.Interop;
using Cocoon.Enclave.Ipc;
using Cocoon.Protocol.Cryptography.Hpke;

namespace Cocoon.Enclave;

/// <summary>How the supervisor starts an enclave process.</summary>
/// <param name="Parent">Process id of the supervisor; 0 when unknown.</param>
/// <param name="ReadPaths">What may be read besides the runtime and the system libraries.</param>
/// <param name="Natives">Folder of the llama.cpp libraries; found beside the binary when <c>null</c>.</param>
/// <param name="UpstreamPort">TCP port on loopback of the server that is the engine; 0: the engine is embedded, and no socket is allowed.</param>
/// <param name="IsConfined">Set by the process itself when it starts again inside Landlock.</param>
internal sealed record EnclaveProcessArguments(int Parent, IReadOnlyList<string> ReadPaths, string? Natives, bool IsConfined, bool AllowUnprotected, int UpstreamPort = 0);

/// <summary>The entry of the enclave process.</summary>
internal static class EnclaveProcess
{
    public const string ConfinedArgument = "--confined";
    public const string NativesArgument = "--natives";

    /// <summary>One thread computes; the others allocate little beside the managed heap.</summary>
    private const int MaxArenas = 2;

    /// <summary>Describes a model file on stdout instead of serving it; the same confinement, no engine.</summary>
    /// <returns>The exit code. Does not return when Landlock takes over: the process then starts again in place.</returns>
    public static async Task<int> DescribeAsync(EnclaveProcessArguments arguments, string path, bool hash, CancellationToken cancellationToken)
    {
        await ConfineAsync(arguments, natives: null);
        return await ModelDescriber.RunAsync(path, hash, Protection(arguments), Console.Out, cancellationToken);
    }

    /// <summary>Says on stdout what inference would run on; the same confinement.</summary>
    /// <inheritdoc cref="DescribeAsync"/>
    public static async Task<int> ListDevicesAsync(EnclaveProcessArguments arguments, CancellationToken cancellationToken)
    {
        await ConfineAsync(arguments, NativesFolder.Find(arguments.Natives));
        return await DeviceLister.RunAsync(arguments.Natives, Protection(arguments), Console.Out, cancellationToken);
    }

    /// <summary>Measures a model, result on stdout; the same confinement.</summary>
    /// <inheritdoc cref="DescribeAsync"/>
    public static async Task<int> BenchAsync(
        EnclaveProcessArguments arguments, string configuration, IReadOnlyList<int> sequences, int rounds, CancellationToken cancellationToken)
    {
        await ConfineAsync(arguments, NativesFolder.Find(arguments.Natives));
        return await EngineBench.RunAsync(LlamaCppLoader.For(arguments.Natives), configuration, sequences, rounds, Protection(arguments), Console.Out, cancellationToken);
    }

    /// <param name="loadEngine">The embedded engine when <c>null</c>.</param>
    /// <param name="suites">Suites of the receiving keys.</param>
    /// <param name="cancellationToken">Ends the process in order.</param>
    /// <returns>The exit code. Does not return when Landlock takes over: the process then starts again in place.</returns>
    public static async Task<int> RunAsync(
        EnclaveProcessArguments arguments, EngineLoader? loadEngine, IReadOnlyList<HpkeSuite> suites, CancellationToken cancellationToken)
    {
        await ConfineAsync(arguments, NativesFolder.Find(arguments.Natives));
        if (OperatingSystem.IsLinux())
        {
            LibC.LimitArenas(MaxArenas);
        }

        (Stream input, Stream output) = StandardPipes.Take();
        await using (input)
        await using (output)
        {
            EnclaveHostOptions options = new()
            {
                Protection = Protection(arguments),
                LoadEngine = loadEngine ?? (arguments.UpstreamPort > 0 ? UpstreamLoader.LoadAsync : LlamaCppLoader.For(arguments.Natives)),
                Natives = arguments.Natives,
                AllowUnprotected = arguments.AllowUnprotected,
                Suites = suites,
                WarmUp = true,
                HasOwnPipe = true,
            };
            return await EnclaveHost.RunAsync(input, output, options, cancellationToken);
        }
    }

    /// <summary>Enters Landlock by starting again in place; returns when this is the inside, or where there is none.</summary>
    /// <param name="natives">Folder of the libraries, found now: inside, the folders above the binary cannot be searched.</param>
    private static async Task ConfineAsync(EnclaveProcessArguments arguments, string? natives)
    {
        if (arguments.IsConfined || Landlock.Version == 0)
        {
            return;
        }

        string[] extra = natives is null || arguments.Natives is not null ? [ConfinedArgument] : [ConfinedArgument, NativesArgument, natives];
        IEnumerable<string> libraries = (natives ?? arguments.Natives) is { } folder ? [folder] : [];
        string problem = Landlock.ConfineAndRestart(arguments.ReadPaths.Concat(libraries), extra, arguments.UpstreamPort);
        await Console.Error.WriteLineAsync("landlock: " + problem);
    }

    private static ProcessProtection Protection(EnclaveProcessArguments arguments) => new(arguments.Parent, arguments.IsConfined, arguments.UpstreamPort);
}
