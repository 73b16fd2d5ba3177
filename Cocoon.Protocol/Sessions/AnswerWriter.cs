using System.Buffers;
using System.Buffers.Binary;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Protocol.Sessions;

/// <summary>Cuts answer events, each with a varint length before it, into fixed-size plaintext frames.</summary>
/// <remarks>Not thread-safe. What waits is bounded by the answer itself.</remarks>
internal sealed class AnswerWriter
{
    private readonly ArrayBufferWriter<byte> _pending = new(ResponseShape.FrameSize);
    private int _taken;

    public int PendingBytes => _pending.WrittenCount - _taken;

    /// <summary>Frames needed for what waits; 0 when nothing does.</summary>
    public int PendingFrames => (PendingBytes + ResponseShape.FrameCapacity - 1) / ResponseShape.FrameCapacity;

    public void Append(AnswerEvent answer)
    {
        uint size = (uint)answer.CalculateSize();
        Span<byte> prefix = _pending.GetSpan(5);
        int length = 0;
        for (; size >= 0x80; size >>= 7)
        {
            prefix[length++] = (byte)(size | 0x80);
        }

        prefix[length++] = (byte)size;
        _pending.Advance(length);
        answer.WriteTo(_pending);
    }

    /// <summary>Fills one frame with what waits; a filler frame when nothing does.</summary>
    public void TakeFrame(Span<byte> frame)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(frame.Length, ResponseShape.FrameSize);
        int used = Math.Min(PendingBytes, ResponseShape.FrameCapacity);
        BinaryPrimitives.WriteUInt16BigEndian(frame, (ushort)used);
        Span<byte> data = frame[sizeof(ushort)..];
        _pending.WrittenSpan.Slice(_taken, used).CopyTo(data);
        data[used..].Clear();
        _taken += used;
        if (_taken == _pending.WrittenCount)
        {
            _pending.Clear();
            _taken = 0;
        }
    }
}
