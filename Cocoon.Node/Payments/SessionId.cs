using System.Buffers.Binary;

namespace Cocoon.Node.Payments;

/// <summary>The first 16 bytes of a session's transcript hash, as a key of the books.</summary>
internal readonly record struct SessionId(UInt128 Value)
{
    public const int Size = 16;

    /// <exception cref="ArgumentException">Not 16 bytes.</exception>
    public static SessionId From(ReadOnlySpan<byte> bytes) =>
        bytes.Length == Size
            ? new SessionId(BinaryPrimitives.ReadUInt128BigEndian(bytes))
            : throw new ArgumentException($"A session id has {Size} bytes, not {bytes.Length}.", nameof(bytes));

    public byte[] ToArray()
    {
        byte[] bytes = new byte[Size];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, Value);
        return bytes;
    }

    public override string ToString() => Value.ToString("x32", null);
}
