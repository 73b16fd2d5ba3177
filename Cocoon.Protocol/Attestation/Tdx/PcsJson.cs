using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;

namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>Strict reading of what Intel's PCS signs; every deviation is malformed.</summary>
internal static class PcsJson
{
    private const int MaxAdvisories = 256;

    public static T Read<T>(ReadOnlyMemory<byte> json, Func<JsonElement, T> read)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, SignedJson.Strict);
            return read(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or OverflowException)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "TCB collateral");
        }
    }

    public static void Require(bool condition)
    {
        if (!condition)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "TCB collateral");
        }
    }

    public static byte[] Hex(JsonElement parent, string name, int length)
    {
        byte[] bytes = Convert.FromHexString(parent.GetProperty(name).GetString() ?? "");
        Require(bytes.Length == length);
        return bytes;
    }

    /// <summary><c>2025-02-13T03:50:41Z</c> and nothing else.</summary>
    public static DateTimeOffset Time(JsonElement parent, string name) => DateTimeOffset.ParseExact(
        parent.GetProperty(name).GetString() ?? "",
        "yyyy-MM-dd'T'HH:mm:ss'Z'",
        CultureInfo.InvariantCulture,
        DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);

    public static TcbStatus Status(JsonElement level)
    {
        Require(TcbStatuses.TryParseListed(level.GetProperty("tcbStatus").GetString(), out TcbStatus status));
        return status;
    }

    public static ImmutableArray<string> Advisories(JsonElement level)
    {
        if (!level.TryGetProperty("advisoryIDs", out JsonElement ids))
        {
            return [];
        }

        Require(ids.GetArrayLength() <= MaxAdvisories);
        return [.. ids.EnumerateArray().Select(i => i.GetString() ?? throw new FormatException("advisory"))];
    }

    public static ImmutableArray<IsvLevel> IsvLevels(JsonElement parent) =>
    [
        .. parent.GetProperty("tcbLevels").EnumerateArray().Select(
            l => new IsvLevel(l.GetProperty("tcb").GetProperty("isvsvn").GetInt32(), Time(l, "tcbDate"), Status(l), Advisories(l))),
    ];

    public static bool MaskedEquals(ReadOnlySpan<byte> value, ReadOnlySpan<byte> expected, ReadOnlySpan<byte> mask)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            if ((value[i] & mask[i]) != expected[i])
            {
                return false;
            }
        }

        return true;
    }
}
