using System.Buffers.Text;
using System.Formats.Asn1;
using System.Text;
using System.Text.Json;
using Cocoon.Protocol.Attestation.Pki;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;

namespace Cocoon.Protocol.Attestation.Collateral;

/// <summary>Recognises collateral by its content, in the forms in which vendors' services, their caches and tools hand it out.</summary>
/// <remarks>
/// DER certificates and CRLs; PEM, also URL-encoded as in Intel's issuer-chain headers, or with those headers' names before it;
/// hexadecimal or base64 of DER; Intel's signed JSON, and the one-object form that quote libraries use; AMD's certificate table;
/// NVIDIA's RIM XML, and its RIM service's and attestation SDK's JSON around it.
/// </remarks>
internal static class CollateralReader
{
    public const int MaxSize = 1 << 20;

    private const int MaxNesting = 2;
    private const byte DerSequence = 0x30;

    /// <summary><c>false</c> for content that is no collateral known here.</summary>
    /// <exception cref="EvidenceException">Collateral, but damaged or beyond a limit.</exception>
    public static bool TryRead(ReadOnlyMemory<byte> bytes, CollateralSet set) =>
        bytes.Length > MaxSize ? throw new EvidenceException(EvidenceErrorCode.TooLarge, "collateral file too large") : TryRead(bytes, set, 0);

    private static bool TryRead(ReadOnlyMemory<byte> bytes, CollateralSet set, int nesting)
    {
        ReadOnlyMemory<byte> text = Trim(bytes);
        if (text.IsEmpty || nesting > MaxNesting)
        {
            return false;
        }

        if (bytes.Span[0] == DerSequence && TryReadDer(bytes, set))
        {
            return true;
        }

        if (SnpCertificateTable.TryRead(bytes, out IReadOnlyList<ReadOnlyMemory<byte>> table))
        {
            return table.All(c => TryRead(c, set, nesting + 1));
        }

        return (char)text.Span[0] switch
        {
            '{' or '[' => TryReadJson(text, set, nesting),
            '<' => TryReadXml(text, set),
            _ when text.Span.IndexOf("-----BEGIN "u8) >= 0 => TryReadPem(text.Span, set),
            _ when text.Span.IndexOf("-----BEGIN%20"u8) >= 0 || text.Span.IndexOf("%2D%2D%2D%2D%2DBEGIN"u8) >= 0 => TryReadPem(UrlDecode(text.Span), set),
            _ => TryDecode(text.Span) is { } decoded && TryRead(decoded, set, nesting + 1),
        };
    }

    private static bool TryReadDer(ReadOnlyMemory<byte> der, CollateralSet set)
    {
        if (!IsOneSequence(der))
        {
            return false;
        }

        EvidenceException fault;
        try
        {
            set.Add(Certificate.Parse(der));
            return true;
        }
        catch (EvidenceException e) when (e.Code == EvidenceErrorCode.Malformed)
        {
            fault = e;
        }

        try
        {
            set.Add(RevocationList.Parse(der));
            return true;
        }
        catch (EvidenceException e) when (e.Code == EvidenceErrorCode.Malformed)
        {
            throw fault;
        }
    }

    private static bool IsOneSequence(ReadOnlyMemory<byte> der)
    {
        try
        {
            AsnReader reader = new(der, AsnEncodingRules.DER);
            reader.ReadSequence();
            return !reader.HasData;
        }
        catch (AsnContentException)
        {
            return false;
        }
    }

    private static bool TryReadPem(ReadOnlySpan<byte> text, CollateralSet set)
    {
        foreach ((string label, byte[] der) in PemReader.ReadLoose(text))
        {
            switch (label)
            {
                case PemReader.CertificateLabel:
                    set.Add(Certificate.Parse(der));
                    break;
                case PemReader.RevocationListLabel:
                    set.Add(RevocationList.Parse(der));
                    break;
                default:
                    return false;
            }
        }

        return true;
    }

    private static bool TryReadXml(ReadOnlyMemory<byte> xml, CollateralSet set)
    {
        if (xml.Span.IndexOf("SoftwareIdentity"u8) < 0)
        {
            return false;
        }

        set.AddRim(xml);
        return true;
    }

    private static bool TryReadJson(ReadOnlyMemory<byte> json, CollateralSet set, int nesting)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, SignedJson.Strict);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? TryReadObject(json, document.RootElement, set, nesting)
                : document.RootElement.EnumerateArray().Aggregate(
                    false, (any, item) => (item.ValueKind == JsonValueKind.Object && TryReadMembers(item, set, nesting)) | any);
        }
        catch (JsonException)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "collateral JSON");
        }
    }

    private static bool TryReadObject(ReadOnlyMemory<byte> json, JsonElement root, CollateralSet set, int nesting)
    {
        if (root.TryGetProperty(SignedJson.TcbInfoMember, out JsonElement info) && info.ValueKind == JsonValueKind.Object)
        {
            set.AddTcbInfo(SignedJson.Parse(json, SignedJson.TcbInfoMember));
            return true;
        }

        if (root.TryGetProperty(SignedJson.IdentityMember, out JsonElement identity) && identity.ValueKind == JsonValueKind.Object)
        {
            set.AddQeIdentity(SignedJson.Parse(json, SignedJson.IdentityMember));
            return true;
        }

        return TryReadMembers(root, set, nesting);
    }

    /// <summary>One object that holds everything as strings: quote libraries' collateral, RIM service answers, GPU evidence.</summary>
    private static bool TryReadMembers(JsonElement root, CollateralSet set, int nesting)
    {
        bool any = false;
        if (Text(root, "tcb_info") is { } info && Text(root, "tcb_info_signature") is { } infoSignature)
        {
            set.AddTcbInfo(Signed(info, infoSignature));
            any = true;
        }

        if (Text(root, "qe_identity") is { } identity && Text(root, "qe_identity_signature") is { } identitySignature)
        {
            set.AddQeIdentity(Signed(identity, identitySignature));
            any = true;
        }

        string[] members =
        [
            "tcb_info", "qe_identity", "pck_crl", "root_ca_crl", "pck_crl_issuer_chain", "tcb_info_issuer_chain", "qe_identity_issuer_chain",
            "pck_certificate_chain", "rim", "certificate", "certificate_chain",
        ];
        foreach (string member in members)
        {
            if (Text(root, member) is { Length: > 0 } text && TryRead(Encoding.UTF8.GetBytes(text), set, nesting + 1))
            {
                any = true;
            }
        }

        return any;
    }

    private static SignedJson Signed(string body, string signature) => TryHex(signature) is { Length: 64 } bytes
        ? new SignedJson(Encoding.UTF8.GetBytes(body), bytes)
        : throw new EvidenceException(EvidenceErrorCode.Malformed, "collateral signature");

    private static string? Text(JsonElement root, string name) =>
        root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>Hexadecimal or base64 text; <c>null</c> when it is neither.</summary>
    public static byte[]? TryDecode(ReadOnlySpan<byte> text)
    {
        if (!Ascii.IsValid(text))
        {
            return null;
        }

        string compact = string.Concat(Encoding.ASCII.GetString(text).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return TryHex(compact) ?? (Base64.IsValid(compact.AsSpan()) ? Convert.FromBase64String(compact) : null);
    }

    private static byte[]? TryHex(string text)
    {
        string digits = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? text[2..] : text;
        return digits.Length > 0 && digits.Length % 2 == 0 && digits.All(char.IsAsciiHexDigit) ? Convert.FromHexString(digits) : null;
    }

    private static byte[] UrlDecode(ReadOnlySpan<byte> text) => Encoding.Latin1.GetBytes(Uri.UnescapeDataString(Encoding.Latin1.GetString(text)));

    private static ReadOnlyMemory<byte> Trim(ReadOnlyMemory<byte> bytes)
    {
        ReadOnlySpan<byte> mark = [0xEF, 0xBB, 0xBF];
        if (bytes.Span.StartsWith(mark))
        {
            bytes = bytes[mark.Length..];
        }

        ReadOnlySpan<byte> blank = " \t\r\n\0"u8;
        int start = bytes.Span.IndexOfAnyExcept(blank);
        int end = bytes.Span.LastIndexOfAnyExcept(blank);
        return start < 0 ? ReadOnlyMemory<byte>.Empty : bytes[start..(end + 1)];
    }
}
