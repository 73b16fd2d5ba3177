namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>Identifies a message in the caches and in IHAVE, IWANT and IDONTWANT: <c>from ++ seqno</c> (the specification's default).</summary>
/// <remarks>The bytes are owned by the id and never change. Ids named by peers may have any content; only the length is bounded.</remarks>
internal readonly struct MessageId : IEquatable<MessageId>
{
    /// <summary>Peer ids have at most 44 bytes; a longer id cannot name any message of ours.</summary>
    public const int MaxLength = 64;

    private readonly byte[]? _bytes;
    private readonly int _hash;

    public MessageId(ReadOnlySpan<byte> bytes)
        : this(bytes.ToArray())
    {
    }

    private MessageId(byte[] owned)
    {
        _bytes = owned;

        // HashCode is seeded per process: peers choose ids, so they must not choose buckets.
        HashCode hash = default;
        hash.AddBytes(owned);
        _hash = hash.ToHashCode();
    }

    public static MessageId Of(ReadOnlySpan<byte> from, ReadOnlySpan<byte> sequenceNumber)
    {
        byte[] bytes = new byte[from.Length + sequenceNumber.Length];
        from.CopyTo(bytes);
        sequenceNumber.CopyTo(bytes.AsSpan(from.Length));
        return new MessageId(bytes);
    }

    public ReadOnlySpan<byte> Bytes => _bytes;

    public bool Equals(MessageId other) => _hash == other._hash && Bytes.SequenceEqual(other.Bytes);

    public override bool Equals(object? obj) => obj is MessageId other && Equals(other);

    public override int GetHashCode() => _hash;

    /// <summary>Lower-case hexadecimal.</summary>
    public override string ToString() => Convert.ToHexStringLower(Bytes);
}
