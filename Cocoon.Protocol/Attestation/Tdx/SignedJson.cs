using System.Security.Cryptography;
using System.Text.Json;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>A signed answer of Intel's PCS: <c>{"tcbInfo": {…}, "signature": "hex"}</c>. The signature covers the exact bytes of the inner object.</summary>
/// <remarks>The bytes that are verified are the bytes that are parsed: nothing is read from a document of the outer text.</remarks>
internal sealed record SignedJson(ReadOnlyMemory<byte> Body, ReadOnlyMemory<byte> Signature)
{
    public const int MaxSize = 256 << 10;
    public const string TcbInfoMember = "tcbInfo";
    public const string IdentityMember = "enclaveIdentity";

    private const int SignatureSize = 64;

    public static JsonDocumentOptions Strict { get; } = new() { MaxDepth = 16, AllowDuplicateProperties = false };

    /// <param name="member"><see cref="TcbInfoMember"/> or <see cref="IdentityMember"/>.</param>
    /// <exception cref="EvidenceException">Not of this form; unknown and repeated members are errors.</exception>
    public static SignedJson Parse(ReadOnlyMemory<byte> json, string member)
    {
        if (json.Length > MaxSize)
        {
            throw new EvidenceException(EvidenceErrorCode.TooLarge, "signed JSON too large");
        }

        ReadOnlyMemory<byte>? body = null;
        byte[]? signature = null;
        try
        {
            Utf8JsonReader reader = new(json.Span, new JsonReaderOptions { MaxDepth = Strict.MaxDepth });
            Require(reader.Read() && reader.TokenType == JsonTokenType.StartObject);
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals(member) && body is null)
                {
                    Require(reader.Read() && reader.TokenType == JsonTokenType.StartObject);
                    int start = (int)reader.TokenStartIndex;
                    reader.Skip();
                    body = json[start..(int)reader.BytesConsumed];
                }
                else if (reader.ValueTextEquals("signature") && signature is null)
                {
                    Require(reader.Read() && reader.TokenType == JsonTokenType.String);
                    signature = Convert.FromHexString(reader.GetString()!);
                }
                else
                {
                    Require(false);
                }
            }

            Require(!reader.Read());
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "signed JSON");
        }

        Require(body is not null && signature?.Length == SignatureSize);
        return new SignedJson(body!.Value, signature);
    }

    public bool IsSignedBy(VerificationKey key) => key.VerifyEcdsaRaw(Body.Span, Signature.Span, HashAlgorithmName.SHA256);

    private static void Require(bool condition)
    {
        if (!condition)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "signed JSON");
        }
    }
}
