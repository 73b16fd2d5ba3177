using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Cocoon.Tests.EndToEnd;

/// <summary>Looks for texts in the memory of another process, in files, and in recorded bytes.</summary>
internal static class ByteSearch
{
    private const int Chunk = 4 << 20;

    /// <summary>Every resident page that the process could read itself.</summary>
    /// <remarks>Needs the right to trace the process: root, or the same user and a parent of it.</remarks>
    public static SearchResult Memory(int processId, IReadOnlyList<SearchPattern> patterns)
    {
        HashSet<string> found = [];
        long searched = 0;
        byte[] buffer = new byte[Chunk];
        int overlap = patterns.Max(p => p.Bytes.Length) - 1;
        using SafeFileHandle memory = File.OpenHandle($"/proc/{processId}/mem", FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        foreach ((long start, long end, string name) in Regions(processId))
        {
            for (long at = start; at < end; at += Chunk - overlap)
            {
                int read = Read(memory, buffer.AsSpan(0, (int)Math.Min(Chunk, end - at)), at);
                searched += read;
                Match(buffer.AsSpan(0, read), patterns, $"memory {name}", found);
            }
        }

        return new SearchResult(found, searched);
    }

    public static SearchResult Files(string folder, IReadOnlyList<SearchPattern> patterns) =>
        Files(Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories), patterns);

    public static SearchResult Files(IEnumerable<string> files, IReadOnlyList<SearchPattern> patterns)
    {
        HashSet<string> found = [];
        long searched = 0;
        foreach (string path in files.Where(f => File.Exists(f) && Path.GetExtension(f) != ".sock"))
        {
            if (new FileInfo(path).Length == 0)
            {
                // Also the node's lock file, which nobody else may open.
                continue;
            }

            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using MemoryStream content = new();
            file.CopyTo(content);
            searched += content.Length;
            Match(content.ToArray(), patterns, path, found);
        }

        return new SearchResult(found, searched);
    }

    public static SearchResult Bytes(byte[] data, string name, IReadOnlyList<SearchPattern> patterns)
    {
        HashSet<string> found = [];
        Match(data, patterns, name, found);
        return new SearchResult(found, data.Length);
    }

    private static void Match(ReadOnlySpan<byte> data, IReadOnlyList<SearchPattern> patterns, string where, HashSet<string> found)
    {
        foreach (SearchPattern pattern in patterns)
        {
            if (data.IndexOf(pattern.Bytes) >= 0)
            {
                found.Add($"{pattern.Form} in {where}");
            }
        }
    }

    /// <summary>A page that cannot be read, such as one beyond the end of a mapped file, ends its region.</summary>
    private static int Read(SafeFileHandle memory, Span<byte> target, long offset)
    {
        int total = 0;
        try
        {
            while (total < target.Length && RandomAccess.Read(memory, target[total..], offset + total) is > 0 and int read)
            {
                total += read;
            }
        }
        catch (IOException)
        {
        }

        return total;
    }

    private static List<(long Start, long End, string Name)> Regions(int processId)
    {
        List<(long, long, string)> regions = [];
        (long Start, long End, string Name)? current = null;
        foreach (string line in File.ReadLines($"/proc/{processId}/smaps"))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words[0].EndsWith(':'))
            {
                if (words[0] == "Rss:" && words[1] != "0" && current is { } resident)
                {
                    regions.Add(resident);
                }

                continue;
            }

            string[] range = words[0].Split('-');
            string name = words.Length > 5 ? words[5] : "anonymous";
            bool readable = words[1][0] == 'r' && !name.StartsWith("[v", StringComparison.Ordinal) && !name.StartsWith("/dev/", StringComparison.Ordinal);
            current = readable
                ? (long.Parse(range[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture), long.Parse(range[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture), name)
                : null;
        }

        return regions;
    }
}

/// <param name="Found">Where, and in which form.</param>
/// <param name="Searched">Bytes looked through.</param>
internal sealed record SearchResult(IReadOnlyCollection<string> Found, long Searched);
