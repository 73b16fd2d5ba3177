namespace Cocoon.Protocol.Attestation.SevSnp;

/// <summary>AMD's certificate table, as <c>auxblob</c> and the extended guest request carry it.</summary>
/// <remarks>GHCB specification, SNP extended guest request: entries { GUID [16], u32 offset, u32 length }, ended by a zero entry; certificates in DER.</remarks>
internal static class SnpCertificateTable
{
    private const int EntrySize = 24;
    private const int GuidSize = 16;
    private const int MaxEntries = 16;

    private static readonly Guid[] Certificates =
    [
        new("63da758d-e664-4564-adc5-f4b93be8accd"),
        new("a8074bc2-a25a-483e-aae6-39c045a0b8a1"),
        new("4ab7b379-bbac-4fe4-a02f-05aef327c782"),
        new("c0b406a4-a803-4952-9743-3fb6014cd0ae"),
    ];

    /// <summary>The VCEK, VLEK, ASK and ARK of the table; <c>false</c> when the bytes are no such table.</summary>
    /// <exception cref="EvidenceException">A table whose entries lie outside it.</exception>
    public static bool TryRead(ReadOnlyMemory<byte> bytes, out IReadOnlyList<ReadOnlyMemory<byte>> certificates)
    {
        List<ReadOnlyMemory<byte>> found = [];
        certificates = found;
        if (bytes.Length < EntrySize || !IsKnown(bytes.Span))
        {
            return false;
        }

        LittleEndianReader reader = new(bytes.Span);
        for (int i = 0; i < MaxEntries; i++)
        {
            Guid guid = ReadGuid(reader.Take(GuidSize));
            uint offset = reader.U32();
            uint length = reader.U32();
            if (guid == Guid.Empty)
            {
                return true;
            }

            if (offset > (uint)bytes.Length || length > (uint)bytes.Length - offset)
            {
                throw new EvidenceException(EvidenceErrorCode.Malformed, "certificate table");
            }

            if (Certificates.Contains(guid))
            {
                found.Add(bytes.Slice((int)offset, (int)length));
            }
        }

        throw new EvidenceException(EvidenceErrorCode.TooLarge, "certificate table");
    }

    private static bool IsKnown(ReadOnlySpan<byte> table) => Certificates.Contains(ReadGuid(table[..GuidSize]));

    // The specification writes GUIDs in the byte order of RFC 4122; some firmware stores them mixed-endian.
    private static Guid ReadGuid(ReadOnlySpan<byte> bytes)
    {
        Guid network = new(bytes, bigEndian: true);
        return Certificates.Contains(network) ? network : new Guid(bytes);
    }
}
