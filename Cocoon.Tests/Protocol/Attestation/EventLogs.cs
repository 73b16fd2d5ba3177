using Cocoon.Protocol.Attestation.EventLog;

namespace Cocoon.Tests.Protocol.Attestation;

/// <summary>Event logs for tests.</summary>
internal static class EventLogs
{
    public static byte[] Digest(byte fill) => [.. Enumerable.Repeat(fill, CcelLog.DigestSize)];

    public static byte[] Encode(params (int Register, byte[] Digest)[] events)
    {
        MemoryStream stream = new();
        BinaryWriter writer = new(stream);
        writer.Write(1);
        writer.Write(3);
        writer.Write(new byte[20]);
        byte[] header = [.. "Spec ID Event03\0"u8, 0, 0, 0, 0, 0, 2, 0, 2, 1, 0, 0, 0, 0x0C, 0, 48, 0, 0];
        writer.Write(header.Length);
        writer.Write(header);
        foreach ((int register, byte[] digest) in events)
        {
            writer.Write(register);
            writer.Write(13);
            writer.Write(1);
            writer.Write((ushort)0x0C);
            writer.Write(digest);
            writer.Write(4);
            writer.Write("data"u8);
        }

        return stream.ToArray();
    }
}
