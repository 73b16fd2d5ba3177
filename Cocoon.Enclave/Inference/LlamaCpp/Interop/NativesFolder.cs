using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Cocoon.Enclave.Inference.LlamaCpp.Interop;

/// <summary>Where the llama.cpp libraries are and which file is which.</summary>
/// <remarks>
/// Order: an explicit folder, <c>COCOON_NATIVES</c>, <c>natives/</c> beside the binary, then <c>natives/</c> of each folder above it.
/// Under <c>natives/</c> the libraries lie in <c>&lt;release&gt;/&lt;rid&gt;[-&lt;variant&gt;]/</c>, of which the fastest is taken: scripts/llama
/// brings a GPU build only to a machine that suits it. Directly inside is accepted as well. Names are read by hand: this runs in every
/// enclave, and an engine for expressions would stay in its memory.
/// </remarks>
internal static class NativesFolder
{
    public const string Variable = "COCOON_NATIVES";

    private static readonly string[] Variants = ["-cuda", "-cuda12", "-metal", "-vulkan", ""];
    private static readonly string[] Accelerators = ["cuda", "vulkan", "metal"];
    private static readonly string[] Suffixes = [".so", ".dll", ".dylib"];

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
    public static string? Accelerator(string folder) =>
        Directory.EnumerateFiles(folder).Select(file => Plugin(Path.GetFileName(file))).FirstOrDefault(plugin => Accelerators.Contains(plugin));

    /// <summary>Full path of the library with this stem (<c>llama</c>, <c>ggml</c>, <c>ggml-base</c>); names carry variant and release.</summary>
    /// <exception cref="EngineException">None, or more than one.</exception>
    public static string Library(string folder, string stem)
    {
        string[] found = [.. Directory.EnumerateFiles(folder).Where(file => Stem(Path.GetFileName(file)) == stem)];
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
            if (file.Contains("ggml-", StringComparison.Ordinal) && !IsKnown(Plugin(file)) && Stem(file) is null)
            {
                throw new EngineException(EngineErrorCode.NativesUnsupported, $"unknown backend {file} beside the llama.cpp libraries; remove it");
            }
        }
    }

    /// <summary>SHA-256 over names and contents of all libraries in name order.</summary>
    public static string Digest(string folder)
    {
        using IncrementalHash all = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in Directory.EnumerateFiles(folder).Where(f => Bare(f) is not null).Order(StringComparer.Ordinal))
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
        Directory.Exists(folder) && Directory.EnumerateFiles(folder).Any(file => Stem(Path.GetFileName(file)) == LlamaNative.Llama);

    /// <summary>A library's name without <c>lib</c> and suffix; <c>null</c> for what is no library.</summary>
    private static string? Bare(string file)
    {
        string? suffix = Array.Find(Suffixes, end => file.EndsWith(end, StringComparison.Ordinal));
        return suffix is null ? null
            : file.StartsWith("lib", StringComparison.Ordinal) ? file["lib".Length..^suffix.Length] : file[..^suffix.Length];
    }

    /// <summary>Which of the three libraries a file is: <c>[lib]stem[.accelerator][.release].suffix</c>, a release being <c>v0.5.0</c> or <c>b1234</c>.</summary>
    private static string? Stem(string file)
    {
        if (Bare(file) is not { } name)
        {
            return null;
        }

        int dot = name.IndexOf('.', StringComparison.Ordinal);
        string stem = dot < 0 ? name : name[..dot];
        string rest = dot < 0 ? "" : name[dot..];
        if (Array.Find(Accelerators, a => rest == $".{a}" || rest.StartsWith($".{a}.", StringComparison.Ordinal)) is { } accelerator)
        {
            rest = rest[(1 + accelerator.Length)..];
        }

        bool isRelease = rest.Length == 0
            || (rest.Length > 2 && rest[1] is ('v' or 'b') && rest.Skip(2).All(c => char.IsAsciiDigit(c) || c == '.'));
        return isRelease && stem is ("llama" or "ggml-base" or "ggml") ? stem : null;
    }

    /// <summary>The backend that a file is: <c>cuda</c> of <c>libggml-cuda.so</c>.</summary>
    private static string? Plugin(string file) =>
        Bare(file) is { } name && name.StartsWith("ggml-", StringComparison.Ordinal) ? name["ggml-".Length..] : null;

    private static bool IsKnown(string? plugin) =>
        plugin is "cpu" or "blas" || Accelerators.Contains(plugin)
        || (plugin?.StartsWith("cpu-", StringComparison.Ordinal) == true && plugin.Length > "cpu-".Length
            && plugin.Skip("cpu-".Length).All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '_' or '.'));
}
