using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Attestation;

namespace Cocoon.Node.Attestation;

/// <summary>Reads an answer of NVIDIA's remote attestation service: a detached EAT, one token over all and one per GPU.</summary>
/// <remarks>
/// For people who have such an answer at hand. Nothing in Cocoon relies on it: the service would learn who verifies what and when,
/// and its signing keys are fetched from it, so that offline the signature stays unknown and the evidence is never valid.
/// </remarks>
internal static class NrasToken
{
    public const string Malformed = "nras.malformed";
    public const string DigestMismatch = "nras.digest_mismatch";
    public const string KeyUnknown = "nras.key_unknown";
    public const string ResultNegative = "nras.result_negative";

    public static IReadOnlyList<ReasonWord> Reasons { get; } =
    [
        new(Malformed, "not a detached EAT of NVIDIA's attestation service"),
        new(DigestMismatch, "a GPU's token is not the one that the overall token names"),
        new(KeyUnknown, "the service's signing key is not known offline, so its signature is not checked"),
        new(ResultNegative, "the service itself did not accept the GPUs"),
    ];

    public static RawAppraisal Read(byte[] json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            JsonElement[] parts = [.. document.RootElement.EnumerateArray()];
            if (parts is not [{ ValueKind: JsonValueKind.Array } head, { ValueKind: JsonValueKind.Object } tokens] || head.GetArrayLength() != 2)
            {
                return RawAppraisal.Unreadable(Malformed);
            }

            return Read(Claims(head[1].GetString()!), tokens);
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or KeyNotFoundException or IndexOutOfRangeException)
        {
            return RawAppraisal.Unreadable(Malformed);
        }
    }

    private static RawAppraisal Read(JsonElement overall, JsonElement tokens)
    {
        bool areNamed = true;
        JsonObject gpus = [];
        foreach (JsonProperty digest in overall.GetProperty("submods").EnumerateObject())
        {
            string token = tokens.GetProperty(digest.Name).GetString()!;
            areNamed &= digest.Value[1][1].GetString() == Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(token)));
            JsonElement claims = Claims(token);
            gpus[digest.Name] = new JsonObject
            {
                ["hwmodel"] = Value(claims, "hwmodel"),
                ["measres"] = Value(claims, "measres"),
                ["secboot"] = Value(claims, "secboot"),
                ["dbgstat"] = Value(claims, "dbgstat"),
                ["driverVersion"] = Value(claims, "x-nvidia-gpu-driver-version"),
                ["vbiosVersion"] = Value(claims, "x-nvidia-gpu-vbios-version"),
                ["nonce"] = Value(claims, "eat_nonce"),
            };
        }

        bool isPositive = overall.GetProperty("x-nvidia-overall-att-result").ValueKind == JsonValueKind.True;
        JsonObject facts = new()
        {
            ["overallResult"] = isPositive,
            ["issuer"] = Value(overall, "iss"),
            ["version"] = Value(overall, "x-nvidia-ver"),
            ["nonce"] = Value(overall, "eat_nonce"),
            ["issuedAt"] = Value(overall, "iat"),
            ["expires"] = Value(overall, "exp"),
            ["digestsMatch"] = areNamed,
            ["signatureValid"] = null,
            ["gpus"] = gpus,
        };
        List<string> reasons = areNamed ? [KeyUnknown] : [DigestMismatch, KeyUnknown];
        if (!isPositive)
        {
            reasons.Add(ResultNegative);
        }

        return RawAppraisal.OfFacts(facts, [.. reasons]);
    }

    private static JsonElement Claims(string token)
    {
        string[] parts = token.Split('.');
        using JsonDocument document = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[1]));
        return document.RootElement.Clone();
    }

    private static JsonNode? Value(JsonElement claims, string name) =>
        claims.TryGetProperty(name, out JsonElement value) ? JsonNode.Parse(value.GetRawText()) : null;
}
