using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>An Intel TDX quote, version 4 or 5, ECDSA-256 with P-256. Parsing proves nothing.</summary>
/// <remarks>
/// Little endian.
/// <code>
/// header, 48 bytes:  0 u16 version (4, 5)   2 u16 attestation key type (2)   4 u32 TEE type (0x81)
///                   12 [16] QE vendor id   28 [20] user data
/// v4: 48 TD report 1.0 (584)
/// v5: 48 u16 body type (2 = TD 1.0, 3 = TD 1.5)  50 u32 body size  54 body          ← the quote signature covers all up to here
/// u32 length of the signature data, then
///   [64] quote signature r ‖ s, [64] attestation key x ‖ y, u16 certification type (6), u32 size, in it
///     [384] QE report, [64] its signature, u16 n, [n] QE authentication data, u16 type (5), u32 size, PEM chain: PCK, CA, root
/// </code>
/// Buffers are often longer than what they hold; bytes after the signature data are counted and otherwise ignored, so a hash of
/// the whole buffer is no identity of a quote.
/// </remarks>
internal sealed class TdxQuote
{
    public const int MaxSize = EvidenceBundle.MaxEvidence;
    public const int BodyType10 = 2;
    public const int BodyType15 = 3;

    private const int HeaderSize = 48;
    private const int SignatureSize = 64;
    private const ushort EcdsaP256 = 2;
    private const uint TeeTypeTdx = 0x81;
    private const ushort QeReportCertification = 6;
    private const ushort PckChainCertification = 5;
    private const int PckChainLength = 3;

    private static ReadOnlySpan<byte> IntelQeVendor =>
        [0x93, 0x9A, 0x72, 0x33, 0xF7, 0x9C, 0x4C, 0xA9, 0x94, 0x0A, 0x0D, 0xB3, 0x95, 0x7F, 0x06, 0x07];

    public required ushort Version { get; init; }

    public required ushort BodyType { get; init; }

    public required TdxReportBody Body { get; init; }

    /// <summary>What <see cref="Signature"/> covers.</summary>
    public required ReadOnlyMemory<byte> Signed { get; init; }

    public required ReadOnlyMemory<byte> Signature { get; init; }

    /// <summary>x ‖ y.</summary>
    public required ReadOnlyMemory<byte> AttestationKey { get; init; }

    public required SgxReportBody QeReport { get; init; }

    public required ReadOnlyMemory<byte> QeReportSignature { get; init; }

    public required ReadOnlyMemory<byte> QeAuthenticationData { get; init; }

    /// <summary>PCK certificate, its CA, the root.</summary>
    public required IReadOnlyList<Certificate> PckChain { get; init; }

    /// <summary>Bytes of the buffer that are the quote.</summary>
    public required int UsedLength { get; init; }

    public required int TrailingLength { get; init; }

    /// <exception cref="EvidenceException">
    /// <see cref="EvidenceErrorCode.UnsupportedVersion"/> for quotes of another TEE, version or key type; malformed or too large otherwise.
    /// </exception>
    public static TdxQuote Parse(ReadOnlyMemory<byte> buffer)
    {
        if (buffer.Length > MaxSize)
        {
            throw new EvidenceException(EvidenceErrorCode.TooLarge, "quote too large");
        }

        LittleEndianReader reader = new(buffer.Span);
        ushort version = reader.U16();
        ushort keyType = reader.U16();
        uint teeType = reader.U32();
        if (version is not (4 or 5) || keyType != EcdsaP256 || teeType != TeeTypeTdx)
        {
            throw new EvidenceException(EvidenceErrorCode.UnsupportedVersion, "not a TDX quote of version 4 or 5 with an ECDSA P-256 key");
        }

        reader.Take(4);
        if (!reader.Take(16).SequenceEqual(IntelQeVendor))
        {
            throw new EvidenceException(EvidenceErrorCode.UnsupportedVersion, "QE vendor");
        }

        reader.Take(20);
        (ushort bodyType, uint bodySize) = version == 4 ? ((ushort)BodyType10, (uint)TdxReportBody.Size10) : (reader.U16(), reader.U32());
        if (!(bodyType == BodyType10 && bodySize == TdxReportBody.Size10) && !(bodyType == BodyType15 && bodySize == TdxReportBody.Size15))
        {
            throw new EvidenceException(EvidenceErrorCode.UnsupportedVersion, "body type and size");
        }

        int bodyStart = buffer.Length - reader.Remaining;
        reader.Take(bodySize);
        int signedLength = buffer.Length - reader.Remaining;
        uint dataLength = reader.U32();
        int dataStart = buffer.Length - reader.Remaining;
        reader.Take(dataLength);
        ReadOnlyMemory<byte> data = buffer.Slice(dataStart, (int)dataLength);

        LittleEndianReader fields = new(data.Span);
        fields.Take(2 * SignatureSize);
        if (fields.U16() != QeReportCertification)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "certification data type");
        }

        ReadOnlyMemory<byte> outer = Last(data, ref fields);
        LittleEndianReader certification = new(outer.Span);
        certification.Take(SgxReportBody.Size + SignatureSize);
        ushort authenticationLength = certification.U16();
        int authenticationStart = outer.Length - certification.Remaining;
        certification.Take(authenticationLength);
        if (certification.U16() != PckChainCertification)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "inner certification data type");
        }

        List<Certificate> chain = PemReader.ReadCertificates(Last(outer, ref certification).Span);
        if (chain.Count != PckChainLength)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "PCK chain of " + chain.Count);
        }

        return new TdxQuote
        {
            Version = version,
            BodyType = bodyType,
            Body = new TdxReportBody(buffer.Slice(bodyStart, (int)bodySize)),
            Signed = buffer[..signedLength],
            Signature = data[..SignatureSize],
            AttestationKey = data.Slice(SignatureSize, SignatureSize),
            QeReport = new SgxReportBody(outer[..SgxReportBody.Size]),
            QeReportSignature = outer.Slice(SgxReportBody.Size, SignatureSize),
            QeAuthenticationData = outer.Slice(authenticationStart, authenticationLength),
            PckChain = chain,
            UsedLength = dataStart + (int)dataLength,
            TrailingLength = reader.Remaining,
        };
    }

    /// <summary>A field with a u32 length that must end where its container ends.</summary>
    private static ReadOnlyMemory<byte> Last(ReadOnlyMemory<byte> container, ref LittleEndianReader reader)
    {
        uint length = reader.U32();
        int start = container.Length - reader.Remaining;
        reader.Take(length);
        reader.ExpectEnd();
        return container.Slice(start, (int)length);
    }
}
