using System.Buffers.Binary;
using Cocoon.Protocol.Libp2p.Muxers;
using Cocoon.Protocol.Libp2p.Transports;

namespace Cocoon.Protocol.Libp2p.Protocols.Perf;

/// <summary><c>/perf/1.0.0</c>: a count wanted back, an upload, the download. For measurements; not served unless asked for.</summary>
internal static class PerfProtocol
{
    public const string Id = "/perf/1.0.0";

    private const int HeaderSize = 8;

    /// <summary>What every upload sends, four full frames at a time; one for all streams, as in js-libp2p: so many of their own would measure memory.</summary>
    private static readonly byte[] Zeros = new byte[4 * YamuxSession.MaxFrameBody];

    public static async Task RespondAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        byte[] block = ConnectionBuffers.Segments.Rent(ConnectionBuffers.LargestSegment);
        try
        {
            int header = 0;
            while (header < HeaderSize)
            {
                int read = await stream.ReadAsync(block.AsMemory(header, HeaderSize - header), cancellationToken);
                if (read == 0)
                {
                    throw new Libp2pException(Libp2pErrorCode.UnexpectedEnd, "The stream ended inside the count.");
                }

                header += read;
            }

            ulong wanted = BinaryPrimitives.ReadUInt64BigEndian(block);
            while (await stream.ReadAsync(block, cancellationToken) > 0)
            {
            }

            await SendAsync(stream, wanted, cancellationToken);
            await stream.CloseWriteAsync(cancellationToken);
        }
        finally
        {
            ConnectionBuffers.Segments.Return(block);
        }
    }

    /// <summary>Uploads and downloads so many bytes; the times of the two parts.</summary>
    /// <exception cref="Libp2pException">The remote sent another number of bytes.</exception>
    public static async Task<(TimeSpan Upload, TimeSpan Download)> MeasureAsync(
        IPeerStream stream, ulong upload, ulong download, TimeProvider time, CancellationToken cancellationToken)
    {
        byte[] block = ConnectionBuffers.Segments.Rent(ConnectionBuffers.LargestSegment);
        try
        {
            long start = time.GetTimestamp();
            // In one write: the js service takes the count from its first chunk.
            BinaryPrimitives.WriteUInt64BigEndian(block, download);
            await stream.WriteAsync(block.AsMemory(0, HeaderSize), cancellationToken);
            await SendAsync(stream, upload, cancellationToken);
            await stream.CloseWriteAsync(cancellationToken);
            ulong received = 0;
            int first = await stream.ReadAsync(block, cancellationToken);
            long uploaded = time.GetTimestamp();
            for (int read = first; read > 0; read = await stream.ReadAsync(block, cancellationToken))
            {
                received += (ulong)read;
            }

            return received == download
                ? (time.GetElapsedTime(start, uploaded), time.GetElapsedTime(uploaded))
                : throw new Libp2pException(Libp2pErrorCode.Malformed, $"The remote sent {received} bytes instead of {download}.");
        }
        finally
        {
            ConnectionBuffers.Segments.Return(block);
        }
    }

    private static async ValueTask SendAsync(IPeerStream stream, ulong count, CancellationToken cancellationToken)
    {
        while (count > 0)
        {
            int length = (int)Math.Min(count, (ulong)Zeros.Length);
            await stream.WriteAsync(Zeros.AsMemory(0, length), cancellationToken);
            count -= (ulong)length;
        }
    }
}
