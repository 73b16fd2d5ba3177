using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Cocoon.Protocol.Attestation.EventLog;

/// <summary>One measured event.</summary>
/// <param name="Register">0 is MRTD, 1 to 4 are RTMR0 to RTMR3.</param>
/// <param name="Digest">SHA-384; empty for events that are not measured.</param>
/// <param name="Data">Attested only when it hashes to <paramref name="Digest"/>, which is not so for every type.</param>
internal sealed record CcelEvent(int Register, uint Type, ImmutableArray<byte> Digest, ImmutableArray<byte> Data);

/// <summary>A confidential-computing event log (ACPI table CCEL) in the TCG crypto-agile form; replaying it gives the RTMRs.</summary>
/// <remarks>
/// TCG PC Client Platform Firmware Profile §10.2; little endian.
/// <code>
/// first: u32 register, u32 3 (EV_NO_ACTION), [20] zero, u32 size, "Spec ID Event03\0", u32 class, u8 minor, major, errata, uintn,
///        u32 n, n × { u16 algorithm, u16 digest size }, u8 m, [m] vendor information
/// then:  u32 register, u32 type, u32 n, n × { u16 algorithm, digest }, u32 size, data
/// </code>
/// Ends with the data or at register 0xFFFFFFFF: firmware fills the rest of its area with 0xFF.
/// </remarks>
internal sealed class CcelLog
{
    public const int MaxSize = EvidenceBundle.MaxLog;
    public const int MaxEvents = 4096;
    public const int Registers = 4;
    public const int DigestSize = 48;

    private const uint NoAction = 3;
    private const uint End = uint.MaxValue;
    private const ushort Sha384 = 0x000C;
    private const int MaxAlgorithms = 8;
    private const int MaxEventData = 64 << 10;

    private CcelLog(ImmutableArray<CcelEvent> events) => Events = events;

    private static ReadOnlySpan<byte> SpecId => "Spec ID Event03\0"u8;

    /// <summary>Without the first, which only describes the format.</summary>
    public ImmutableArray<CcelEvent> Events { get; }

    /// <exception cref="EvidenceException">Not of this form, without SHA-384, or beyond a limit.</exception>
    public static CcelLog Parse(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MaxSize)
        {
            throw new EvidenceException(EvidenceErrorCode.TooLarge, "event log too large");
        }

        LittleEndianReader reader = new(bytes);
        Dictionary<ushort, uint> sizes = ReadHeader(ref reader);
        List<CcelEvent> events = [];
        while (reader.Remaining > 0)
        {
            uint register = reader.U32();
            if (register == End)
            {
                break;
            }

            if (register > Registers || events.Count == MaxEvents)
            {
                throw new EvidenceException(EvidenceErrorCode.Malformed, "event register or count");
            }

            events.Add(ReadEvent(ref reader, (int)register, sizes));
        }

        return new CcelLog([.. events]);
    }

    /// <summary>RTMR0 to RTMR3 as the events leave them, from zero: <c>RTMR = SHA-384(RTMR ‖ digest)</c>.</summary>
    public ImmutableArray<ImmutableArray<byte>> Replay()
    {
        byte[][] registers = [.. Enumerable.Range(0, Registers).Select(_ => new byte[DigestSize])];
        foreach (CcelEvent measured in Events.Where(e => e.Register > 0 && e.Type != NoAction))
        {
            int register = measured.Register - 1;
            registers[register] = SHA384.HashData([.. registers[register], .. measured.Digest]);
        }

        return [.. registers.Select(r => r.ToImmutableArray())];
    }

    private static Dictionary<ushort, uint> ReadHeader(ref LittleEndianReader reader)
    {
        reader.U32();
        if (reader.U32() != NoAction || reader.Take(20).ContainsAnyExcept((byte)0))
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "event log header");
        }

        LittleEndianReader header = new(reader.Take(reader.U32()));
        if (!header.Take((uint)SpecId.Length).SequenceEqual(SpecId))
        {
            throw new EvidenceException(EvidenceErrorCode.UnsupportedVersion, "event log form");
        }

        header.Take(8);
        uint count = header.U32();
        if (count > MaxAlgorithms)
        {
            throw new EvidenceException(EvidenceErrorCode.TooLarge, "event log algorithms");
        }

        Dictionary<ushort, uint> sizes = [];
        for (uint i = 0; i < count; i++)
        {
            ushort algorithm = header.U16();
            if (!sizes.TryAdd(algorithm, header.U16()))
            {
                throw new EvidenceException(EvidenceErrorCode.Malformed, "event log algorithms");
            }
        }

        header.Take(header.U8());
        header.ExpectEnd();
        return sizes.GetValueOrDefault(Sha384) == DigestSize
            ? sizes
            : throw new EvidenceException(EvidenceErrorCode.UnsupportedVersion, "event log without SHA-384");
    }

    private static CcelEvent ReadEvent(ref LittleEndianReader reader, int register, Dictionary<ushort, uint> sizes)
    {
        uint type = reader.U32();
        uint count = reader.U32();
        if (count > sizes.Count)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "event digests");
        }

        byte[]? digest = null;
        for (uint i = 0; i < count; i++)
        {
            ushort algorithm = reader.U16();
            if (!sizes.TryGetValue(algorithm, out uint size))
            {
                throw new EvidenceException(EvidenceErrorCode.Malformed, "event digest algorithm");
            }

            ReadOnlySpan<byte> value = reader.Take(size);
            digest = algorithm == Sha384 ? value.ToArray() : digest;
        }

        uint dataSize = reader.U32();
        if (dataSize > MaxEventData || (digest is null && type != NoAction))
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "event");
        }

        return new CcelEvent(register, type, [.. digest ?? []], [.. reader.Take(dataSize)]);
    }
}
