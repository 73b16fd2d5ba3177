using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;

namespace Cocoon.Node.Attestation;

/// <summary>Recomputes published HPKE vectors; those of the suites in use also through the code that seals prompts.</summary>
internal static class HpkeVectors
{
    public const string Malformed = "hpke.malformed";
    public const string Mismatch = "hpke.mismatch";
    public const string Unsupported = "hpke.unsupported";

    public static IReadOnlyList<ReasonWord> Reasons { get; } =
    [
        new(Malformed, "not a file of HPKE vectors in the known form"),
        new(Mismatch, "a computed value differs from the vector"),
        new(Unsupported, "a suite that this machine or build does not have (X-Wing needs ML-KEM)"),
    ];

    /// <summary>All modes of RFC 9180 with DHKEM(X25519, HKDF-SHA256) and HKDF-SHA256.</summary>
    public static RawAppraisal CheckRfc9180(JsonElement root) => Check(root, vector =>
    {
        int aead = Number(vector, "aead_id");
        return Rfc9180Formulas.IsKnown(Number(vector, "kem_id"), Number(vector, "kdf_id"), aead) ? IsRight(vector, aead) : null;
    });

    /// <summary>X-Wing, where the platform has ML-KEM.</summary>
    public static RawAppraisal CheckXWing(JsonElement root) => Check(root, vector =>
    {
        if (HpkeSuite.C?.Kem is not XWingKem kem)
        {
            return null;
        }

        using IKemPrivateKey key = kem.Import(Hex(vector, "sk"));
        byte[] shared = new byte[SHA3_256.HashSizeInBytes];
        return key.PublicKey.SequenceEqual(Hex(vector, "pk"))
            && key.TryDecapsulate(Hex(vector, "ct"), shared)
            && shared.AsSpan().SequenceEqual(Hex(vector, "ss"));
    });

    /// <summary>RFC 9458 appendix A, from its two private keys, the two messages and the response nonce.</summary>
    public static RawAppraisal CheckObliviousHttp(JsonElement root)
    {
        try
        {
            int kem = Number(root, "kem"), kdf = Number(root, "kdf"), aead = Number(root, "aead");
            if (!Rfc9180Formulas.IsKnown(kem, kdf, aead))
            {
                return RawAppraisal.Unreadable(Unsupported);
            }

            JsonObject facts = Oblivious(root, kem, kdf, aead);
            bool isRight = facts.All(f => root.TryGetProperty(f.Key, out JsonElement value) && value.GetString() == f.Value!.GetValue<string>());
            return isRight ? RawAppraisal.OfFacts(facts) : RawAppraisal.OfFacts(facts, Mismatch);
        }
        catch (Exception e) when (IsFormFault(e))
        {
            return RawAppraisal.Unreadable(Malformed);
        }
    }

    private static JsonObject Oblivious(JsonElement root, int kem, int kdf, int aead)
    {
        using X25519PrivateKey ephemeral = X25519PrivateKey.FromBytes(Hex(root, "skE"));
        byte[] encapsulation = ephemeral.PublicKey.ToArray();
        byte[] header = [(byte)Number(root, "keyId"), (byte)(kem >> 8), (byte)kem, (byte)(kdf >> 8), (byte)kdf, (byte)(aead >> 8), (byte)aead];
        byte[] info = [.. "message/bhttp request\0"u8, .. header];
        Rfc9180Formulas context = Rfc9180Formulas.Schedule(0, Rfc9180Formulas.Decapsulate(encapsulation, Hex(root, "skR"), null), info, [], [], aead);
        int size = Math.Max(Rfc9180Formulas.KeySize(aead), HpkeAead.NonceSize);
        byte[] secret = context.Export("message/bhttp response"u8.ToArray(), size);
        byte[] responseNonce = Hex(root, "responseNonce");
        byte[] prk = HKDF.Extract(HashAlgorithmName.SHA256, secret, [.. encapsulation, .. responseNonce]);
        byte[] key = HKDF.Expand(HashAlgorithmName.SHA256, prk, Rfc9180Formulas.KeySize(aead), "key"u8.ToArray());
        byte[] nonce = HKDF.Expand(HashAlgorithmName.SHA256, prk, HpkeAead.NonceSize, "nonce"u8.ToArray());
        return new JsonObject
        {
            ["enc"] = Convert.ToHexStringLower(encapsulation),
            ["info"] = Convert.ToHexStringLower(info),
            ["encapsulatedRequest"] = Convert.ToHexStringLower([.. header, .. encapsulation, .. context.Seal(0, [], Hex(root, "request"))]),
            ["exportedSecret"] = Convert.ToHexStringLower(secret),
            ["responseNonce"] = Convert.ToHexStringLower(responseNonce),
            ["prk"] = Convert.ToHexStringLower(prk),
            ["aeadKey"] = Convert.ToHexStringLower(key),
            ["aeadNonce"] = Convert.ToHexStringLower(nonce),
            ["encapsulatedResponse"] = Convert.ToHexStringLower([.. responseNonce, .. Rfc9180Formulas.Seal(aead, key, nonce, [], Hex(root, "response"))]),
        };
    }

    private static bool IsRight(JsonElement vector, int aead)
    {
        int mode = Number(vector, "mode");
        byte[] shared = Rfc9180Formulas.Decapsulate(Hex(vector, "enc"), Hex(vector, "skRm"), mode >= 2 ? Hex(vector, "pkSm") : null);
        bool hasPsk = mode is 1 or 3;
        Rfc9180Formulas context = Rfc9180Formulas.Schedule(
            mode, shared, Hex(vector, "info"), hasPsk ? Hex(vector, "psk") : [], hasPsk ? Hex(vector, "psk_id") : [], aead);
        bool isRight = Is(vector, "shared_secret", shared) && Is(vector, "key", context.Key)
            && Is(vector, "base_nonce", context.BaseNonce) && Is(vector, "exporter_secret", context.ExporterSecret);
        foreach (JsonElement export in vector.GetProperty("exports").EnumerateArray())
        {
            isRight &= Is(export, "exported_value", context.Export(Hex(export, "exporter_context"), Number(export, "L")));
        }

        foreach (JsonElement message in aead == Rfc9180Formulas.ExportOnly ? [] : vector.GetProperty("encryptions").EnumerateArray().ToArray())
        {
            isRight &= Is(message, "ct", context.Seal(message.GetProperty("seq").GetUInt64(), Hex(message, "aad"), Hex(message, "pt")));
        }

        return isRight && (mode != 0 || IsRightInSessions(vector, aead));
    }

    /// <summary>The same through the code that opens requests; suites that it does not use pass.</summary>
    private static bool IsRightInSessions(JsonElement vector, int aead)
    {
        if (HpkeSuite.Accepted.FirstOrDefault(s => s.Is(X25519Kem.KemId, LabeledKdf.HkdfSha256, (uint)aead)) is not { } suite)
        {
            return true;
        }

        using IKemPrivateKey key = X25519Kem.Import(X25519PrivateKey.FromBytes(Hex(vector, "skRm")));
        using HpkeContext? recipient = suite.TrySetupRecipient(key, Hex(vector, "enc"), Hex(vector, "info"));
        bool isRight = recipient is not null;
        foreach (JsonElement message in vector.GetProperty("encryptions").EnumerateArray())
        {
            if (recipient is not null)
            {
                recipient.Sequence = message.GetProperty("seq").GetUInt64();
                isRight &= recipient.TryOpen(Hex(message, "aad"), Hex(message, "ct")).AsSpan().SequenceEqual(Hex(message, "pt"));
            }
        }

        return isRight;
    }

    /// <param name="check"><c>null</c> for a vector of a suite that is not here.</param>
    private static RawAppraisal Check(JsonElement root, Func<JsonElement, bool?> check)
    {
        try
        {
            bool?[] results = [.. root.GetProperty("vectors").EnumerateArray().Select(check)];
            JsonObject facts = new()
            {
                ["vectors"] = results.Length,
                ["matching"] = results.Count(r => r == true),
                ["unsupported"] = results.Count(r => r is null),
            };
            return results.Contains(false) ? RawAppraisal.OfFacts(facts, Mismatch)
                : results.Contains(null) ? RawAppraisal.OfFacts(facts, Unsupported)
                : RawAppraisal.OfFacts(facts);
        }
        catch (Exception e) when (IsFormFault(e))
        {
            return RawAppraisal.Unreadable(Malformed);
        }
    }

    private static int Number(JsonElement element, string name) => element.GetProperty(name).GetInt32();

    private static byte[] Hex(JsonElement element, string name) => Convert.FromHexString(element.GetProperty(name).GetString() ?? "");

    /// <summary>Whether the vector records this value; one that it leaves out is not compared.</summary>
    private static bool Is(JsonElement element, string name, byte[] value) =>
        !element.TryGetProperty(name, out JsonElement recorded) || recorded.GetString() == Convert.ToHexStringLower(value);

    private static bool IsFormFault(Exception e) =>
        e is FormatException or KeyNotFoundException or InvalidOperationException or ArgumentException or CryptographicException;
}
