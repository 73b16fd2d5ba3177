using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Cocoon.Node.Cli;
using Cocoon.Protocol.Enclaves.Proto;
using Google.Protobuf;

namespace Cocoon.Node.Enclaves;

/// <summary>How the enclave process is started: this program again, its own verb, a nearly empty environment.</summary>
internal static partial class EnclaveLaunch
{
    private const string NativesVariable = "COCOON_NATIVES";

    // What a person may need to pass on; none of them loads code.
    private static readonly string[] PassedOn = ["COCOON_CRYPTO", "CUDA_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES"];

    /// <summary>A small heap beside the model: what the library computes with is not ours to collect, and decoding allocates nothing.</summary>
    private static readonly (string Name, string Value)[] Runtime =
    [
        ("DOTNET_GCHeapHardLimit", "0x40000000"), // 1 GiB
        ("DOTNET_GCgen0size", "0x100000"), // 1 MiB; by default as large as the processor's last cache
        ("DOTNET_gcConcurrent", "0"),
        ("DOTNET_TieredCompilation", "0"), // what is compiled is kept once, and nothing is compiled again beside the engine
    ];

    public static ProcessStartInfo Create(EnclaveSupervisorOptions options)
    {
        ProcessStartInfo info = Begin(options.Command ?? OwnCommand(), options.Upstream is null ? Path.GetFullPath(options.ModelPath) : null);
        if (options.Upstream is { } upstream)
        {
            info.ArgumentList.Add("--upstream-port");
            info.ArgumentList.Add(upstream.Port.ToString(CultureInfo.InvariantCulture));
        }

        AddNatives(info, options.NativesPath);
        if (options.AllowUnprotected)
        {
            info.ArgumentList.Add("--unprotected");
        }

        return info;
    }

    /// <summary>A process that reads a model file, prints what it is, and ends.</summary>
    /// <param name="hash">Also the SHA-256 of its files, which takes as long as reading them.</param>
    public static ProcessStartInfo Describe(string modelPath, bool hash)
    {
        string path = Path.GetFullPath(modelPath);
        ProcessStartInfo info = Begin(OwnCommand(), path);
        info.ArgumentList.Add("--describe");
        info.ArgumentList.Add(path);
        if (hash)
        {
            info.ArgumentList.Add("--hash");
        }

        return info;
    }

    /// <summary>A process that says what inference could run on, and ends.</summary>
    public static ProcessStartInfo Devices()
    {
        ProcessStartInfo info = Begin(OwnCommand(), null);
        info.ArgumentList.Add("--devices");
        AddNatives(info, null);
        return info;
    }

    /// <summary>A process that caps what NVIDIA GPUs draw, says so, and puts back what was set before when its input ends.</summary>
    public static ProcessStartInfo PowerLimit(uint watts)
    {
        ProcessStartInfo info = Begin(OwnCommand(), null);
        info.ArgumentList.Add("--power-limit");
        info.ArgumentList.Add(watts.ToString(CultureInfo.InvariantCulture));
        info.RedirectStandardError = false;
        return info;
    }

    /// <summary>A process that measures a model, says how fast it is, and ends.</summary>
    /// <param name="configure">As for serving it; slots and context are the measurement's own.</param>
    public static ProcessStartInfo Bench(Configure configure, IEnumerable<int> sequences, int rounds)
    {
        ProcessStartInfo info = Begin(OwnCommand(), configure.ModelPath);
        info.ArgumentList.Add("--bench");
        info.ArgumentList.Add(JsonFormatter.Default.Format(configure));
        foreach (int count in sequences)
        {
            info.ArgumentList.Add("--sequences");
            info.ArgumentList.Add(count.ToString(CultureInfo.InvariantCulture));
        }

        info.ArgumentList.Add("--rounds");
        info.ArgumentList.Add(rounds.ToString(CultureInfo.InvariantCulture));
        AddNatives(info, null);
        return info;
    }

    /// <summary>The child's environment is cleared, so it must be told what ours says.</summary>
    private static void AddNatives(ProcessStartInfo info, string? folder)
    {
        string? named = folder ?? Environment.GetEnvironmentVariable(NativesVariable);
        if (!string.IsNullOrEmpty(named))
        {
            info.ArgumentList.Add("--natives");
            info.ArgumentList.Add(Path.GetFullPath(named));
        }
    }

    private static ProcessStartInfo Begin(IReadOnlyList<string> command, string? modelPath)
    {
        ProcessStartInfo info = new(command[0])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string argument in command.Skip(1))
        {
            info.ArgumentList.Add(argument);
        }

        Add("--parent", Environment.ProcessId.ToString(CultureInfo.InvariantCulture));

        foreach (string file in modelPath is null ? [] : ModelParts(modelPath))
        {
            Add("--read", file);
        }

        string?[] values = [.. PassedOn.Select(Environment.GetEnvironmentVariable)];
        info.Environment.Clear();
        info.Environment["DOTNET_EnableDiagnostics"] = "0";
        foreach ((string name, string value) in Runtime)
        {
            info.Environment[name] = value;
        }

        info.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        for (int i = 0; i < values.Length; i++)
        {
            if (values[i] is { } value)
            {
                info.Environment[PassedOn[i]] = value;
            }
        }

        return info;

        void Add(string name, string value)
        {
            info.ArgumentList.Add(name);
            info.ArgumentList.Add(value);
        }
    }

    /// <summary>The model's files and nothing beside them: a folder may hold more than models.</summary>
    private static string[] ModelParts(string path)
    {
        Match split = SplitName().Match(path);
        string? folder = Path.GetDirectoryName(path);
        return split.Success && Directory.Exists(folder)
            ? Directory.GetFiles(folder, Path.GetFileName(split.Groups["stem"].Value) + "-?????-of-?????.gguf")
            : [path];
    }

    [GeneratedRegex(@"^(?<stem>.*)-\d{5}-of-\d{5}\.gguf$", RegexOptions.ExplicitCapture)]
    private static partial Regex SplitName();

    private static string[] OwnCommand()
    {
        string program = Environment.ProcessPath ?? throw new InvalidOperationException("the path of this program is unknown");
        return Path.GetFileNameWithoutExtension(program) == "dotnet"
            ? [program, Assembly.GetEntryAssembly()!.Location, EnclaveCommand.Name]
            : [program, EnclaveCommand.Name];
    }
}
