using System.Security.Cryptography;

namespace Cocoon.Protocol.Libp2p.Protocols.Ping;

/// <summary><c>/ipfs/ping/1.0.0</c>: 32 bytes there and back.</summary>
internal static class PingProtocol
{
    public const string Id = "/ipfs/ping/1.0.0";
    public const int Size = 32;

    /// <summary>Echoes until the remote ends its side; the stream must end promptly then, js opens a new one for each ping.</summary>
    public static async Task RespondAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        byte[] payload = new byte[Size];
        while (await TryReadAsync(stream, payload, cancellationToken))
        {
            await stream.WriteAsync(payload, cancellationToken);
        }
    }

    /// <summary>One ping on an open stream.</summary>
    /// <exception cref="Libp2pException">The answer differs or does not come.</exception>
    public static async ValueTask<TimeSpan> PingAsync(IPeerStream stream, TimeProvider time, CancellationToken cancellationToken)
    {
        byte[] payload = RandomNumberGenerator.GetBytes(Size), answer = new byte[Size];
        long start = time.GetTimestamp();
        await stream.WriteAsync(payload, cancellationToken);
        if (!await TryReadAsync(stream, answer, cancellationToken))
        {
            throw new Libp2pException(Libp2pErrorCode.UnexpectedEnd, "The remote did not answer the ping.");
        }

        TimeSpan elapsed = time.GetElapsedTime(start);
        return answer.AsSpan().SequenceEqual(payload)
            ? elapsed
            : throw new Libp2pException(Libp2pErrorCode.Malformed, "The remote answered the ping with other bytes.");
    }

    private static async ValueTask<bool> TryReadAsync(IPeerStream stream, byte[] payload, CancellationToken cancellationToken)
    {
        for (int at = 0; at < Size;)
        {
            int read = await stream.ReadAsync(payload.AsMemory(at), cancellationToken);
            if (read == 0)
            {
                return at == 0 ? false : throw new Libp2pException(Libp2pErrorCode.UnexpectedEnd, "The stream ended inside a ping.");
            }

            at += read;
        }

        return true;
    }
}
