using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Cocoon.Protocol.Attestation.Nvidia;

/// <summary>An NVIDIA GPU's attestation report: an SPDM 1.1 GET_MEASUREMENTS request and its MEASUREMENTS response. Parsing proves nothing.</summary>
/// <remarks>
/// DMTF DSP0274 §10.11; little endian.
/// <code>
///  0  0x11, 0xE0, param1, param2, [32] nonce, slot                     request, 37 bytes
/// 37  0x11, 0x60, param1, param2, u8 blocks, u24 record length, record
///     record: blocks of u8 index (from 1), u8 1 (DMTF), u16 size, { u8 type, u16 size, value }
///     [32] responder nonce, u16 n, [n] opaque data: { u16 type, u16 size, value }*, [96] signature r ‖ s (P-384)
/// </code>
/// The signature covers everything before it. It is found by the lengths, not from the end: only zeros may follow.
/// </remarks>
internal sealed class GpuReport
{
    public const int NonceSize = 32;

    private const byte SpdmVersion11 = 0x11;
    private const byte GetMeasurements = 0xE0;
    private const byte Measurements = 0x60;
    private const byte DmtfSpecification = 1;
    private const int SignatureSize = 96;
    private const int MaxValue = 64;

    private GpuReport(ImmutableSortedDictionary<int, ReadOnlyMemory<byte>> blocks, ImmutableSortedDictionary<int, ReadOnlyMemory<byte>> opaque)
    {
        Blocks = blocks;
        Opaque = opaque;
    }

    /// <summary>17 is SPDM 1.1.</summary>
    public required byte Version { get; init; }

    /// <summary>What the requester asked the device to sign.</summary>
    public required ReadOnlyMemory<byte> Nonce { get; init; }

    public required ReadOnlyMemory<byte> ResponderNonce { get; init; }

    public required ReadOnlyMemory<byte> Signed { get; init; }

    /// <summary>r ‖ s, big endian.</summary>
    public required ReadOnlyMemory<byte> Signature { get; init; }

    /// <summary>Measurement values by index, from 1.</summary>
    public ImmutableSortedDictionary<int, ReadOnlyMemory<byte>> Blocks { get; }

    /// <summary>Opaque fields by type.</summary>
    public ImmutableSortedDictionary<int, ReadOnlyMemory<byte>> Opaque { get; }

    public string? DriverVersion => Text(3);

    public string? ChipSku => Text(15);

    public string? Project => Text(17);

    public string? ProjectSku => Text(18);

    /// <summary><c>96.00.5E.00.01</c>: of the 8 bytes reversed, the last four, then the fourth.</summary>
    public string? VbiosVersion
    {
        get
        {
            if (!Opaque.TryGetValue(6, out ReadOnlyMemory<byte> value) || value.Length != 8)
            {
                return null;
            }

            byte[] r = value.ToArray();
            Array.Reverse(r);
            return string.Create(CultureInfo.InvariantCulture, $"{r[4]:X2}.{r[5]:X2}.{r[6]:X2}.{r[7]:X2}.{r[3]:X2}");
        }
    }

    /// <summary>The firmware's digest; older firmware does not say it.</summary>
    public ReadOnlyMemory<byte>? Fwid => Opaque.TryGetValue(20, out ReadOnlyMemory<byte> value) ? value : (ReadOnlyMemory<byte>?)null;

    /// <summary>0xAA enabled, 0x55 disabled; <c>null</c> when not said.</summary>
    public byte? Nvdec0 => Opaque.TryGetValue(11, out ReadOnlyMemory<byte> value) && value.Length == 1 ? value.Span[0] : null;

    public bool IsNvdec0Enabled => Nvdec0 == 0xAA;

    /// <summary>0 single GPU, 1 multi-GPU pass-through, 2 protected PCIe; <c>null</c> when not said.</summary>
    public uint? FeatureFlag => !Opaque.TryGetValue(36, out ReadOnlyMemory<byte> value) ? null : value.Length switch
    {
        1 => value.Span[0],
        2 => BinaryPrimitives.ReadUInt16LittleEndian(value.Span),
        4 => BinaryPrimitives.ReadUInt32LittleEndian(value.Span),
        _ => null,
    };

    /// <exception cref="EvidenceException">Not of this form.</exception>
    public static GpuReport Parse(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length > EvidenceBundle.MaxEvidence)
        {
            throw new EvidenceException(EvidenceErrorCode.TooLarge, "report too large");
        }

        LittleEndianReader reader = new(bytes.Span);
        Expect(ref reader, SpdmVersion11, GetMeasurements);
        reader.Take(2);
        ReadOnlyMemory<byte> nonce = bytes.Slice(bytes.Length - reader.Remaining, Math.Min(NonceSize, reader.Remaining));
        reader.Take(NonceSize);
        reader.Take(1);
        Expect(ref reader, SpdmVersion11, Measurements);
        reader.Take(2);
        byte blockCount = reader.U8();
        uint recordLength = reader.U24();
        int recordStart = bytes.Length - reader.Remaining;
        reader.Take(recordLength);
        ImmutableSortedDictionary<int, ReadOnlyMemory<byte>> blocks = ReadBlocks(bytes.Slice(recordStart, (int)recordLength));
        if (blocks.Count != blockCount)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "number of measurement blocks");
        }

        int responderNonce = bytes.Length - reader.Remaining;
        reader.Take(NonceSize);
        ushort opaqueLength = reader.U16();
        int opaqueStart = bytes.Length - reader.Remaining;
        reader.Take(opaqueLength);
        int signedLength = bytes.Length - reader.Remaining;
        reader.Take(SignatureSize);
        if (reader.Take((uint)reader.Remaining).ContainsAnyExcept((byte)0))
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "bytes after the signature");
        }

        return new GpuReport(blocks, ReadOpaque(bytes.Slice(opaqueStart, opaqueLength)))
        {
            Version = bytes.Span[0],
            Nonce = nonce,
            ResponderNonce = bytes.Slice(responderNonce, NonceSize),
            Signed = bytes[..signedLength],
            Signature = bytes.Slice(signedLength, SignatureSize),
        };
    }

    private static void Expect(ref LittleEndianReader reader, byte version, byte code)
    {
        if (reader.U8() != version || reader.U8() != code)
        {
            throw new EvidenceException(EvidenceErrorCode.UnsupportedVersion, "SPDM version or message");
        }
    }

    private static ImmutableSortedDictionary<int, ReadOnlyMemory<byte>> ReadBlocks(ReadOnlyMemory<byte> record)
    {
        var blocks = ImmutableSortedDictionary.CreateBuilder<int, ReadOnlyMemory<byte>>();
        LittleEndianReader reader = new(record.Span);
        while (reader.Remaining > 0)
        {
            byte index = reader.U8();
            byte specification = reader.U8();
            ushort size = reader.U16();
            reader.U8();
            ushort valueSize = reader.U16();
            int start = record.Length - reader.Remaining;
            reader.Take(valueSize);
            if (specification != DmtfSpecification || size != valueSize + 3 || valueSize > MaxValue || !blocks.TryAdd(index, record.Slice(start, valueSize)))
            {
                throw new EvidenceException(EvidenceErrorCode.Malformed, "measurement block");
            }
        }

        return blocks.ToImmutable();
    }

    private static ImmutableSortedDictionary<int, ReadOnlyMemory<byte>> ReadOpaque(ReadOnlyMemory<byte> data)
    {
        var fields = ImmutableSortedDictionary.CreateBuilder<int, ReadOnlyMemory<byte>>();
        LittleEndianReader reader = new(data.Span);
        while (reader.Remaining > 0)
        {
            ushort type = reader.U16();
            ushort size = reader.U16();
            int start = data.Length - reader.Remaining;
            reader.Take(size);
            if (!fields.TryAdd(type, data.Slice(start, size)))
            {
                throw new EvidenceException(EvidenceErrorCode.Malformed, "repeated opaque field");
            }
        }

        return fields.ToImmutable();
    }

    /// <summary>A NUL-ended printable string.</summary>
    private string? Text(int type)
    {
        if (!Opaque.TryGetValue(type, out ReadOnlyMemory<byte> value))
        {
            return null;
        }

        ReadOnlySpan<byte> text = value.Span.TrimEnd((byte)0);
        return text.ContainsAnyExceptInRange((byte)0x20, (byte)0x7E) ? null : Encoding.ASCII.GetString(text);
    }
}
