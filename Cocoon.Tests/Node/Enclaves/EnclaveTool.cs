using System.Globalization;
using Cocoon.Enclave;
using Cocoon.Node.Enclaves;
using Cocoon.Protocol.Cryptography.Hpke;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cocoon.Tests.Node.Enclaves;

/// <summary>Helper programs of the supervisor's tests: an enclave with an engine that needs no model, and a host to be killed.</summary>
internal static class EnclaveTool
{
    public const string ChildVerb = "test-enclave";
    public const string ParentVerb = "test-enclave-host";

    private static readonly string[] Denied = ["mem", "maps", "environ"];

    public static EnclaveSupervisorOptions Options { get; } = For(new byte[38]);

    /// <param name="prefix">Before the command line, such as a program that changes the environment.</param>
    public static EnclaveSupervisorOptions For(ReadOnlyMemory<byte> peerId, params string[] prefix) => For(peerId, allowUnprotected: false, prefix);

    public static EnclaveSupervisorOptions For(ReadOnlyMemory<byte> peerId, bool allowUnprotected, params string[] prefix) => new()
    {
        AllowUnprotected = allowUnprotected,
        ModelPath = "/usr/share/none.gguf",
        PeerId = peerId,
        FirstBackoff = TimeSpan.FromMilliseconds(10),
        Command =
        [
            .. prefix, Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "/usr/bin/dotnet", "exec", typeof(EnclaveTool).Assembly.Location, ChildVerb,
        ],
    };

    public static Task<int> RunChildAsync(string[] args)
    {
        string? Value(string name) => Array.IndexOf(args, name) is >= 0 and int i ? args[i + 1] : null;
        EnclaveProcessArguments arguments = new(
            int.Parse(Value("--parent") ?? "0", CultureInfo.InvariantCulture),
            [],
            Value(EnclaveProcess.NativesArgument),
            args.Contains(EnclaveProcess.ConfinedArgument),
            args.Contains("--unprotected"));
        return EnclaveProcess.RunAsync(
            arguments,
            (_, _, _, _) => Task.FromResult<Cocoon.Enclave.Inference.IInferenceEngine>(new LoudEngine()),
            HpkeSuite.Offered,
            CancellationToken.None);
    }

    /// <summary>Prints the enclave's process id, then what of it this process may read, and waits to be killed.</summary>
    public static async Task<int> RunParentAsync()
    {
        await using EnclaveSupervisor supervisor = new(Options, TimeProvider.System, NullLogger<EnclaveSupervisor>.Instance);
        await supervisor.StartAsync(CancellationToken.None);
        EnclaveInfo info = await supervisor.WaitReadyAsync(CancellationToken.None);
        Console.WriteLine(info.ProcessId);
        foreach (string file in Denied)
        {
            Console.WriteLine($"{file} {(CanRead($"/proc/{info.ProcessId}/{file}") ? "readable" : "denied")}");
        }

        await Console.In.ReadLineAsync();
        return 0;
    }

    private static bool CanRead(string path)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            return file.ReadByte() >= -1;
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            return false;
        }
    }
}
