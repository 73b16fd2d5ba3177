using System.Collections.Immutable;

namespace Cocoon.Enclave.Inference.Sampling;

/// <summary>Turns token pieces into text that may be shown: whole characters, nothing of a stop string.</summary>
/// <remarks>Released bytes stay valid until the next call. No allocation once the buffer has grown to its working size.</remarks>
internal sealed class TextAssembler(ImmutableArray<string> stops)
{
    private readonly StopMatcher? _stops = stops.IsEmpty ? null : new StopMatcher(stops);
    private byte[] _buffer = new byte[64];
    private int _start;
    private int _end;

    /// <summary>The stop string that was met, if one was.</summary>
    public string? MatchedStop { get; private set; }

    /// <summary>Takes a piece and returns what may be shown now. After a stop string matched, everything before it.</summary>
    public ReadOnlySpan<byte> Push(ReadOnlySpan<byte> piece)
    {
        Compact(piece.Length);
        for (int i = 0; i < piece.Length; i++)
        {
            _buffer[_end++] = piece[i];
            int stop = _stops?.Push(piece[i]) ?? -1;
            if (stop >= 0)
            {
                MatchedStop = _stops!.Stops[stop];
                _end -= _stops.Length(stop);
                return Flush();
            }
        }

        int releasable = _end - (_stops?.HeldBack ?? 0);
        releasable -= UnfinishedTail(_buffer.AsSpan(_start, Math.Max(0, releasable - _start)));
        return Release(releasable);
    }

    /// <summary>Everything that was held back; an unfinished character among it shows as U+FFFD.</summary>
    public ReadOnlySpan<byte> Flush() => Release(_end);

    private ReadOnlySpan<byte> Release(int to)
    {
        if (to <= _start)
        {
            return [];
        }

        ReadOnlySpan<byte> released = _buffer.AsSpan(_start, to - _start);
        _start = to;
        return released;
    }

    private void Compact(int incoming)
    {
        int held = _end - _start;
        if (held + incoming > _buffer.Length)
        {
            byte[] larger = new byte[Math.Max(_buffer.Length * 2, held + incoming)];
            _buffer.AsSpan(_start, held).CopyTo(larger);
            _buffer = larger;
        }
        else
        {
            _buffer.AsSpan(_start, held).CopyTo(_buffer);
        }

        _start = 0;
        _end = held;
    }

    /// <summary>How many bytes at the end are the beginning of a character that more bytes could complete.</summary>
    internal static int UnfinishedTail(ReadOnlySpan<byte> bytes)
    {
        for (int back = 1; back <= Math.Min(3, bytes.Length); back++)
        {
            byte b = bytes[^back];
            if (b < 0x80)
            {
                return 0;
            }

            if (b >= 0xC0)
            {
                return System.Text.Rune.DecodeFromUtf8(bytes[^back..], out _, out _) == System.Buffers.OperationStatus.NeedMoreData ? back : 0;
            }
        }

        return 0;
    }
}
