using System.Buffers;
using Cocoon.Protocol.Libp2p.Transports;

namespace Cocoon.Protocol.Libp2p.Muxers;

/// <summary>Bytes that arrived on a stream and were not read yet, in pooled segments sized by what arrives.</summary>
/// <remarks>Owns the segments, each accounted in the budget. Guarded by the stream's lock.</remarks>
internal sealed class ReceiveQueue(MemoryBudget budget)
{
    // Powers of two, which the pool hands out in exactly this size.
    private const int SmallSegment = 4 * 1024, MediumSegment = 16 * 1024, LargeSegment = ConnectionBuffers.LargestSegment;

    private const int FirstRing = 16;

    /// <summary>A window of 16 MiB has up to 512 places; a pool of its own for the reason that <see cref="ConnectionBuffers"/> gives.</summary>
    private static readonly ArrayPool<Segment> Rings = ArrayPool<Segment>.Create(1024, maxArraysPerBucket: 128);

    private Segment[] _ring = [];
    private int _first;
    private int _count;

    public int Length { get; private set; }

    /// <summary>Copies the bytes in; <c>false</c> when the budget is used up.</summary>
    public bool TryAppend(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if ((_count == 0 || At(_count - 1).Free == 0) && !TryAddSegment(bytes.Length))
            {
                return false;
            }

            ref Segment tail = ref At(_count - 1);
            int count = Math.Min(bytes.Length, tail.Free);
            bytes[..count].CopyTo(tail.Array.AsSpan(tail.End));
            tail.End += count;
            Length += count;
            bytes = bytes[count..];
        }

        return true;
    }

    /// <summary>Copies out what is there, up to the size of <paramref name="destination"/>.</summary>
    public int Read(Span<byte> destination)
    {
        int copied = 0;
        while (copied < destination.Length && _count > 0)
        {
            ref Segment head = ref At(0);
            int count = Math.Min(destination.Length - copied, head.End - head.Start);
            head.Array.AsSpan(head.Start, count).CopyTo(destination[copied..]);
            head.Start += count;
            copied += count;
            if (head.Start == head.End)
            {
                RemoveFirst();
            }
        }

        Length -= copied;
        return copied;
    }

    public void Clear()
    {
        while (_count > 0)
        {
            RemoveFirst();
        }

        Length = 0;
    }

    private ref Segment At(int index) => ref _ring[(_first + index) & (_ring.Length - 1)];

    private void RemoveFirst()
    {
        ref Segment head = ref At(0);
        ConnectionBuffers.Segments.Return(head.Array);
        budget.Release(head.Array.Length);
        head = default;
        _first = (_first + 1) & (_ring.Length - 1);
        _count--;
        if (_count == 0)
        {
            Rings.Return(_ring);
            (_ring, _first) = ([], 0);
        }
    }

    private bool TryAddSegment(int wanted)
    {
        int size = wanted <= SmallSegment ? SmallSegment : wanted <= MediumSegment ? MediumSegment : LargeSegment;
        if (!budget.TryReserve(size))
        {
            return false;
        }

        if (_count == _ring.Length)
        {
            Grow();
        }

        _count++;
        At(_count - 1) = new Segment { Array = ConnectionBuffers.Segments.Rent(size) };
        return true;
    }

    private void Grow()
    {
        // The pool hands out powers of two, and only empty rings come back to it.
        Segment[] larger = Rings.Rent(Math.Max(FirstRing, 2 * _ring.Length));
        for (int i = 0; i < _count; i++)
        {
            larger[i] = At(i);
        }

        if (_ring.Length > 0)
        {
            Rings.Return(_ring, clearArray: true);
        }

        (_ring, _first) = (larger, 0);
    }

    private struct Segment
    {
        public byte[] Array;
        public int Start;
        public int End;

        public readonly int Free => Array.Length - End;
    }
}
