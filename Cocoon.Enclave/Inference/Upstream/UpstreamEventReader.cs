using System.Buffers;
using System.IO.Pipelines;

namespace Cocoon.Enclave.Inference.Upstream;

/// <summary>The data of server-sent events (WHATWG HTML §9.2), one line each, as every OpenAI-compatible server writes them.</summary>
/// <remarks>Takes <c>error: {…}</c> lines for data as well: older llama-server sends its errors so. A line is bounded.</remarks>
internal sealed class UpstreamEventReader(Stream body, TimeSpan idle, TimeProvider time) : IAsyncDisposable
{
    private const int MaxLine = 4 << 20;

    private readonly PipeReader _reader = PipeReader.Create(body, new StreamPipeReaderOptions(bufferSize: 16 << 10));

    /// <summary>The next event's data; <c>null</c> at <c>[DONE]</c> or at the end of the body.</summary>
    /// <exception cref="EngineException">A line without end, or silence for too long.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            ReadResult result = await ReadMoreAsync(cancellationToken);
            ReadOnlySequence<byte> buffer = result.Buffer;
            while (buffer.PositionOf((byte)'\n') is { } end)
            {
                ReadOnlySequence<byte> line = buffer.Slice(0, end);
                buffer = buffer.Slice(buffer.GetPosition(1, end));
                if (Data(line) is not { } data)
                {
                    continue;
                }

                _reader.AdvanceTo(buffer.Start);
                // Written out: in a conditional null would become an empty memory.
                if (data.Span.SequenceEqual("[DONE]"u8))
                {
                    return null;
                }

                return data;
            }

            if (buffer.Length > MaxLine)
            {
                throw new EngineException(EngineErrorCode.Internal, "the upstream server sent a line without end");
            }

            _reader.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted)
            {
                return null;
            }
        }
    }

    public ValueTask DisposeAsync() => _reader.CompleteAsync();

    private async ValueTask<ReadResult> ReadMoreAsync(CancellationToken cancellationToken)
    {
        ValueTask<ReadResult> reading = _reader.ReadAsync(cancellationToken);
        if (reading.IsCompletedSuccessfully)
        {
            return reading.Result;
        }

        try
        {
            return await reading.AsTask().WaitAsync(idle, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            _reader.CancelPendingRead();
            throw new EngineException(EngineErrorCode.Unavailable, $"the upstream server was silent for {idle.TotalSeconds:0} s");
        }
    }

    private static ReadOnlyMemory<byte>? Data(in ReadOnlySequence<byte> line)
    {
        ReadOnlyMemory<byte> whole = line.ToArray();
        ReadOnlySpan<byte> span = whole.Span;
        int prefix = span.StartsWith("data:"u8) ? 5 : span.StartsWith("error:"u8) ? 6 : -1;
        if (prefix < 0)
        {
            return null; // comments, event names, blank lines
        }

        int from = prefix + (span.Length > prefix && span[prefix] == ' ' ? 1 : 0);
        int to = span.Length - (span[^1] == '\r' ? 1 : 0);
        if (from >= to)
        {
            return null;
        }

        return whole[from..to];
    }
}
