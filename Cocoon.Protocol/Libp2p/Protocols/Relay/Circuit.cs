using System.Buffers;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Libp2p.Transports;

namespace Cocoon.Protocol.Libp2p.Protocols.Relay;

/// <summary>Two streams that a relay joins, within the circuit's limits.</summary>
/// <param name="allowance">Of what it carries is taken; <c>null</c> for a circuit with the ordinary limits.</param>
internal sealed class Circuit(StreamOwner source, StreamOwner destination, CircuitLimit limit, TimeProvider time, InferenceAllowance? allowance = null)
{
    private const int BufferSize = 16 * 1024;

    private readonly DateTimeOffset _openedAt = time.GetUtcNow();
    private long _there;
    private long _back;

    public StreamOwner Source => source;

    public StreamOwner Destination => destination;

    public long Bytes => Interlocked.Read(ref _there) + Interlocked.Read(ref _back);

    public CircuitInfo Describe() => new(source.Peer, destination.Peer, _openedAt, limit, Interlocked.Read(ref _there), Interlocked.Read(ref _back));

    /// <summary>Passes bytes on until both sides have ended theirs; resets both streams when one fails or a limit is reached.</summary>
    /// <exception cref="IOException">It ended so.</exception>
    public async Task RunAsync(IPeerStream hop, IPeerStream stop, CancellationToken cancellationToken)
    {
        using CancellationTokenSource lifetime = limit.Duration is { } duration ? new CancellationTokenSource(duration, time) : new CancellationTokenSource();
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(lifetime.Token, cancellationToken);
        using CancellationTokenRegistration reset = ending.Token.UnsafeRegister(_ => ResetBoth(), null);
        await Task.WhenAll(PassOrResetAsync(hop, stop, isBack: false), PassOrResetAsync(stop, hop, isBack: true));

        void ResetBoth()
        {
            hop.Reset();
            stop.Reset();
        }

        async Task PassOrResetAsync(IPeerStream from, IPeerStream to, bool isBack)
        {
            try
            {
                await PassAsync(from, to, isBack);
            }
            catch (IOException)
            {
                // One direction is nothing without the other, whose loop ends by this.
                ResetBoth();
                throw;
            }
        }
    }

    private async Task PassAsync(IPeerStream from, IPeerStream to, bool isBack)
    {
        long passed = 0;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            while (await from.ReadAsync(buffer, CancellationToken.None) is var read and > 0)
            {
                passed += read;
                if (passed > limit.Data)
                {
                    throw new Libp2pException(Libp2pErrorCode.ResourceLimit, $"A circuit passed its limit of {limit.Data} bytes.");
                }

                if (allowance?.TryTake(source, destination, read) == false)
                {
                    throw new Libp2pException(Libp2pErrorCode.ResourceLimit, "The hour's allowance of circuits for inference is used up.");
                }

                await to.WriteAsync(buffer.AsMemory(0, read), CancellationToken.None);
                Interlocked.Add(ref isBack ? ref _back : ref _there, read);
            }

            await to.CloseWriteAsync(CancellationToken.None);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
