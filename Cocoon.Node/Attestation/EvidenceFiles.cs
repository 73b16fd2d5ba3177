using System.Text.Json;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Collateral;

namespace Cocoon.Node.Attestation;

/// <summary>Reads evidence and collateral from files and folders, in the forms in which they lie around.</summary>
internal static class EvidenceFiles
{
    private const int MaxEvidenceFile = 4 << 20;
    private const int MaxFiles = 512;

    /// <summary>Adds files, and what is known in folders (the folder and those in it) to <paramref name="set"/>.</summary>
    /// <exception cref="FormatException">A path does not exist, a named file is no collateral, or collateral is damaged.</exception>
    public static void AddCollateral(IEnumerable<string> paths, CollateralSet set)
    {
        foreach (string path in paths)
        {
            if (Directory.Exists(path))
            {
                AddFolder(path, set);
            }
            else if (!TryAdd(path, set))
            {
                throw new FormatException($"{path} holds no certificates, revocation lists, TCB info, enclave identity or RIM");
            }
        }
    }

    /// <summary>Raw bytes, or what is in hexadecimal, base64 or NVIDIA's JSON around them; certificates found beside go to <paramref name="set"/>.</summary>
    /// <exception cref="FormatException">The file does not exist or is too large.</exception>
    public static byte[] ReadEvidence(string path, CollateralSet set)
    {
        byte[] bytes = Read(path, MaxEvidenceFile);
        ReadOnlySpan<byte> text = bytes.AsSpan().Trim(" \t\r\n"u8);
        if (text.IsEmpty || text[0] < ' ')
        {
            return bytes;
        }

        return (char)text[0] is '{' or '[' ? ReadJson(bytes, set) ?? bytes : CollateralReader.TryDecode(text) ?? bytes;
    }

    private static byte[]? ReadJson(byte[] json, CollateralSet set)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            JsonElement item = document.RootElement is { ValueKind: JsonValueKind.Array } array && array.GetArrayLength() > 0
                ? array[0]
                : document.RootElement;
            if (item.ValueKind != JsonValueKind.Object || !item.TryGetProperty("evidence", out JsonElement evidence) || evidence.ValueKind != JsonValueKind.String)
            {
                return null;
            }

            if (item.TryGetProperty("certificate", out JsonElement certificate) && certificate.ValueKind == JsonValueKind.String)
            {
                TryAdd(System.Text.Encoding.UTF8.GetBytes(certificate.GetString()!), "certificate", set);
            }

            return CollateralReader.TryDecode(System.Text.Encoding.UTF8.GetBytes(evidence.GetString()!));
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static void AddFolder(string folder, CollateralSet set)
    {
        EnumerationOptions options = new() { RecurseSubdirectories = true, MaxRecursionDepth = 1, AttributesToSkip = FileAttributes.ReparsePoint };
        foreach (string file in Directory.EnumerateFiles(folder, "*", options).Order(StringComparer.Ordinal).Take(MaxFiles))
        {
            if (new FileInfo(file).Length <= CollateralReader.MaxSize)
            {
                TryAdd(file, set);
            }
        }
    }

    private static bool TryAdd(string path, CollateralSet set) => TryAdd(Read(path, CollateralReader.MaxSize), path, set);

    private static bool TryAdd(byte[] bytes, string path, CollateralSet set)
    {
        try
        {
            return CollateralReader.TryRead(bytes, set);
        }
        catch (EvidenceException e)
        {
            throw new FormatException($"{path}: {e.Message}", e);
        }
    }

    private static byte[] Read(string path, int limit)
    {
        FileInfo file = new(path);
        return !file.Exists ? throw new FormatException($"there is no file {path}")
            : file.Length > limit ? throw new FormatException($"{path} is larger than {limit} bytes")
            : File.ReadAllBytes(path);
    }
}
