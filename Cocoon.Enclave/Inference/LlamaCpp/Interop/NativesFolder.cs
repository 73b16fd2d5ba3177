using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Cocoon.Enclave.Inference.LlamaCpp.Interop;

/// <summary>Where the llama.cpp libraries are and which file is which.</summary>
/// <remarks>
/// Order: an explicit folder, <c>COCOON_NATIVES</c>, <c>natives/</c> beside the binary, then <c>natives/</c> of each folder above it.
/// Under <c>natives/</c> the libraries lie in <c>&lt;release&gt;/&lt;rid&gt;[-&lt;variant&gt;]/</c>, of which the fastest is taken: scripts/llama
/// brings a GPU build only to a machine that suits it. Directly inside is accepted as well.
/// </remarks>
internal static partial class NativesFolder
{
    public const string Variable = "COCOON_NATIVES";

    private static readonly string[] Variants = ["-cuda", "-cuda12", "-metal", "-vulkan", ""];

    /// <summary>The folder with libllama, or <c>null</c>.</summary>
    public static string? Find(string? explicitFolder = null)
    {
        string? named = explicitFolder ?? Environment.GetEnvironmentVariable(Variable);
        if (!string.IsNullOrEmpty(named))
        {
            return Holds(named) ? Path.GetFullPath(named) : null;
        }

        for (DirectoryInfo? above = new(AppContext.BaseDirectory); above is not null; above = above.Parent)
        {
            string natives = Path.Combine(above.FullName, "natives");
            if (!Directory.Exists(natives))
            {
                continue;
            }

            if (Holds(natives))
            {
                return natives;
            }

            string? found = Directory.EnumerateDirectories(natives)
                .OrderByDescending(release => release, StringComparer.Ordinal)
                .SelectMany(release => Variants.Select(variant => Path.Combine(release, Rid + variant)))
                .FirstOrDefault(Holds);
            if (found is not null)
            {
                return found;
            }
        }

        return null;
    }

    /// <summary>Whether the folder is the program's own, as in a measured image: in <c>natives/</c> beside the binary or in a folder above it.</summary>
    public static bool IsOwn(string folder)
    {
        string full = Path.GetFullPath(folder) + Path.DirectorySeparatorChar;
        for (DirectoryInfo? above = new(AppContext.BaseDirectory); above is not null; above = above.Parent)
        {
            if (full.StartsWith(Path.Combine(above.FullName, "natives") + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The GPU interface that the libraries are built for; <c>null</c> when they are for the CPU.</summary>
    public static string? Accelerator(string folder) => Directory.EnumerateFiles(folder)
        .Select(f => AcceleratorName().Match(Path.GetFileName(f)))
        .FirstOrDefault(m => m.Success)?.Groups["gpu"].Value;

    /// <summary>Full path of the library with this stem (<c>llama</c>, <c>ggml</c>, <c>ggml-base</c>); names carry variant and release.</summary>
    /// <exception cref="EngineException">None, or more than one.</exception>
    public static string Library(string folder, string stem)
    {
        string[] found = [.. Directory.EnumerateFiles(folder).Where(f => LibraryName().Match(Path.GetFileName(f)) is { Success: true } m && m.Groups["stem"].Value == stem)];
        return found.Length == 1
            ? found[0]
            : throw new EngineException(EngineErrorCode.NativesMissing, $"{found.Length} files named like lib{stem} in {folder}, expected one");
    }

    /// <summary>Every file of the folder must be known: ggml loads whatever backend plug-in lies there.</summary>
    /// <exception cref="EngineException">A plug-in that is not one of ours.</exception>
    public static void RefuseUnknownPlugins(string folder)
    {
        foreach (string file in Directory.EnumerateFiles(folder).Select(f => Path.GetFileName(f)!))
        {
            if (file.Contains("ggml-", StringComparison.Ordinal) && !KnownPlugin().IsMatch(file) && !LibraryName().IsMatch(file))
            {
                throw new EngineException(EngineErrorCode.NativesUnsupported, $"unknown backend {file} beside the llama.cpp libraries; remove it");
            }
        }
    }

    /// <summary>SHA-256 over names and contents of all libraries in name order.</summary>
    public static string Digest(string folder)
    {
        using IncrementalHash all = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in Directory.EnumerateFiles(folder).Where(f => Regex.IsMatch(f, "\\.(so|dll|dylib)$")).Order(StringComparer.Ordinal))
        {
            using FileStream stream = File.OpenRead(file);
            all.AppendData(Encoding.UTF8.GetBytes(Path.GetFileName(file) + "\0"));
            all.AppendData(SHA256.HashData(stream));
        }

        return Convert.ToHexStringLower(all.GetHashAndReset());
    }

    private static string Rid =>
        (OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux")
        + (RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "-arm64" : "-x64");

    private static bool Holds(string folder) =>
        Directory.Exists(folder)
        && Directory.EnumerateFiles(folder).Any(f => LibraryName().Match(Path.GetFileName(f)) is { Success: true } m && m.Groups["stem"].Value == LlamaNative.Llama);

    [GeneratedRegex(@"^(lib)?(?<stem>llama|ggml-base|ggml)(\.(cuda|vulkan|metal))?(\.[vb][0-9.]+)?\.(so|dll|dylib)$", RegexOptions.ExplicitCapture)]
    private static partial Regex LibraryName();

    [GeneratedRegex(@"^(lib)?ggml-(?<gpu>cuda|vulkan|metal)\.(so|dll|dylib)$", RegexOptions.ExplicitCapture)]
    private static partial Regex AcceleratorName();

    [GeneratedRegex(@"^(lib)?ggml-(cpu-[a-z0-9_.]+|cpu|cuda|vulkan|metal|blas)\.(so|dll|dylib)$")]
    private static partial Regex KnownPlugin();
}
