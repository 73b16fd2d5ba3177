using System.Buffers.Binary;
using Cocoon.Protocol.Libp2p.Muxers;
using Cocoon.Protocol.Libp2p.Transports;

namespace Cocoon.Protocol.Libp2p.Protocols.Perf;

/// <summary><c>/perf/1.0.0</c>: a count wanted back, an upload, the download. For measurements; not served unless asked for.</summary>
internal static class PerfProtocol
{
    public const string Id = "/perf/1.0.0";

    private const int HeaderSize = 8;

    /// <summary>Four full frames.</summary>
    private const int BlockSize = 4 * YamuxSession.MaxFrameBody;

    public static async Task RespondAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        byte[] block = ConnectionBuffers.Sockets.Rent(BlockSize);
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
            while (await stream.ReadAsync(block.AsMemory(0, BlockSize), cancellationToken) > 0)
            {
            }

            await SendAsync(stream, wanted, block, cancellationToken);
            await stream.CloseWriteAsync(cancellationToken);
        }
        finally
        {
            ConnectionBuffers.Sockets.Return(block);
        }
    }

    /// <summary>Uploads and downloads so many bytes; the times of the two parts.</summary>
    /// <exception cref="Libp2pException">The remote sent another number of bytes.</exception>
    public static async Task<(TimeSpan Upload, TimeSpan Download)> MeasureAsync(
        IPeerStream stream, ulong upload, ulong download, TimeProvider time, CancellationToken cancellationToken)
    {
        byte[] block = ConnectionBuffers.Sockets.Rent(BlockSize);
        try
        {
            long start = time.GetTimestamp();
            // In one write: the js service takes the count from its first chunk.
            BinaryPrimitives.WriteUInt64BigEndian(block, download);
            await stream.WriteAsync(block.AsMemory(0, HeaderSize), cancellationToken);
            block.AsSpan().Clear();
            await SendAsync(stream, upload, block, cancellationToken);
            await stream.CloseWriteAsync(cancellationToken);
            ulong received = 0;
            int first = await stream.ReadAsync(block.AsMemory(0, BlockSize), cancellationToken);
            long uploaded = time.GetTimestamp();
            for (int read = first; read > 0; read = await stream.ReadAsync(block.AsMemory(0, BlockSize), cancellationToken))
            {
                received += (ulong)read;
            }

            return received == download
                ? (time.GetElapsedTime(start, uploaded), time.GetElapsedTime(uploaded))
                : throw new Libp2pException(Libp2pErrorCode.Malformed, $"The remote sent {received} bytes instead of {download}.");
        }
        finally
        {
            ConnectionBuffers.Sockets.Return(block);
        }
    }

    private static async ValueTask SendAsync(IPeerStream stream, ulong count, byte[] block, CancellationToken cancellationToken)
    {
        while (count > 0)
        {
            int length = (int)Math.Min(count, BlockSize);
            await stream.WriteAsync(block.AsMemory(0, length), cancellationToken);
            count -= (ulong)length;
        }
    }
}
