using Cocoon.Protocol.Libp2p;

namespace Cocoon.Tests.Support;

/// <summary>A stream whose remote sends fixed bytes and then ends; what is written is kept.</summary>
/// <param name="chunk">Bytes a read gives at most.</param>
internal sealed class ScriptedStream(byte[] input, int chunk = int.MaxValue) : IByteStream
{
    private int _at;

    public MemoryStream Written { get; } = new();

    /// <summary>Input that nobody read.</summary>
    public int Unread => input.Length - _at;

    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int count = Math.Min(Math.Min(buffer.Length, chunk), input.Length - _at);
        input.AsSpan(_at, count).CopyTo(buffer.Span);
        _at += count;
        return ValueTask.FromResult(count);
    }

    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        Written.Write(buffer.Span);
        return ValueTask.CompletedTask;
    }
}
