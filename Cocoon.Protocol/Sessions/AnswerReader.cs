using System.Buffers.Binary;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Protocol.Sessions;

/// <summary>Opens the chunks of a response and puts its events together again.</summary>
/// <remarks>Not thread-safe; owns the opener.</remarks>
internal sealed class AnswerReader(ResponseOpener opener) : IDisposable
{
    /// <summary>Most bytes of one event: an embedding of 16,384 dimensions, several times over.</summary>
    public const int MaxEventSize = 256 << 10;

    private byte[] _pending = [];
    private int _count;

    public bool IsComplete => opener.IsComplete;

    /// <summary>Events that are complete with this chunk; empty for filler.</summary>
    /// <exception cref="SessionException">
    /// <see cref="SessionErrorCode.Tampered"/>, <see cref="SessionErrorCode.Dropped"/>, <see cref="SessionErrorCode.Repeated"/> or
    /// <see cref="SessionErrorCode.Reordered"/> when the chunk is not the next one as sealed, and for every one after it;
    /// <see cref="SessionErrorCode.Malformed"/> when the enclave itself sent nonsense; <see cref="SessionErrorCode.Truncated"/> when
    /// the last chunk cuts an event.
    /// </exception>
    public IReadOnlyList<AnswerEvent> Read(ReadOnlySpan<byte> chunk)
    {
        byte[] frames = opener.TryOpen(chunk) ?? throw Refused(opener.Fault);
        for (int offset = 0; offset < frames.Length; offset += ResponseShape.FrameSize)
        {
            Append(frames.AsSpan(offset, ResponseShape.FrameSize));
        }

        List<AnswerEvent> events = [];
        int read = 0;
        while (TryReadEvent(_pending.AsSpan(read, _count - read), out AnswerEvent? answer, out int size))
        {
            events.Add(answer!);
            read += size;
        }

        _pending.AsSpan(read, _count - read).CopyTo(_pending);
        _count -= read;
        return IsComplete && _count > 0 ? throw new SessionException(SessionErrorCode.Truncated, "response event") : events;
    }

    /// <summary>Call when the stream ended: an answer without its final chunk is an error.</summary>
    /// <exception cref="SessionException"><see cref="SessionErrorCode.Truncated"/>.</exception>
    public void ThrowIfIncomplete()
    {
        if (!IsComplete)
        {
            throw new SessionException(SessionErrorCode.Truncated, "the response ended without its final frame");
        }
    }

    public void Dispose() => opener.Dispose();

    private static SessionException Refused(ChunkFault fault) => fault switch
    {
        ChunkFault.Dropped => new(SessionErrorCode.Dropped, "a frame of the answer is missing"),
        ChunkFault.Repeated => new(SessionErrorCode.Repeated, "a frame of the answer came twice"),
        ChunkFault.Reordered => new(SessionErrorCode.Reordered, "frames of the answer changed places"),
        _ => new(SessionErrorCode.Tampered, "a frame of the answer does not open"),
    };

    private static bool TryReadEvent(ReadOnlySpan<byte> bytes, out AnswerEvent? answer, out int size)
    {
        answer = null;
        size = 0;
        uint length = 0;
        for (int i = 0; ; i++)
        {
            if (i == bytes.Length)
            {
                return false;
            }

            length |= (uint)(bytes[i] & 0x7F) << (7 * i);
            if (bytes[i] < 0x80)
            {
                size = i + 1;
                break;
            }

            if (i == 2)
            {
                throw new SessionException(SessionErrorCode.TooLarge, "response event");
            }
        }

        if (length > MaxEventSize)
        {
            throw new SessionException(SessionErrorCode.TooLarge, "response event");
        }

        if (bytes.Length - size < length)
        {
            return false;
        }

        try
        {
            answer = AnswerEvent.Parser.ParseBounded(bytes.Slice(size, (int)length));
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            throw new SessionException(SessionErrorCode.Malformed, "response event");
        }

        size += (int)length;
        return true;
    }

    private void Append(ReadOnlySpan<byte> frame)
    {
        int used = BinaryPrimitives.ReadUInt16BigEndian(frame);
        if (used > ResponseShape.FrameCapacity || frame[(sizeof(ushort) + used)..].ContainsAnyExcept((byte)0))
        {
            throw new SessionException(SessionErrorCode.Malformed, "response frame");
        }

        if (_count + used > _pending.Length)
        {
            Array.Resize(ref _pending, Math.Max(_pending.Length * 2, _count + used));
        }

        frame.Slice(sizeof(ushort), used).CopyTo(_pending.AsSpan(_count));
        _count += used;
    }
}
