using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Enclave.Sessions;

/// <summary>Sends one answer in its shape, and tells the host the due as finely as that shape allows.</summary>
/// <remarks>One caller at a time. Disposal stops sending without a final frame, unless <see cref="CompleteAsync"/> returned.</remarks>
internal abstract class AnswerSender(ResponseSealer sealer, SessionOutput output) : IAsyncDisposable
{
    // As large as the largest chunk so far: most answers leave a frame or two at a time, and there is one buffer per running request.
    private byte[] _frames = [];

    protected SessionOutput Output { get; } = output;

    public static AnswerSender Create(Shape shape, ResponseSealer sealer, SessionOutput output, Func<TokenCounts, ulong> due, uint unit, TimeProvider time) =>
        shape == Shape.Fast
            ? new FastAnswerSender(sealer, output, due)
            : new PacedAnswerSender(sealer, output, due, unit, isBatch: shape == Shape.Batch, time);

    /// <summary>Takes one event of the answer, and what was used up to it. May keep it until <see cref="FlushAsync"/>.</summary>
    public abstract ValueTask PostAsync(AnswerEvent answer, TokenCounts used, CancellationToken cancellationToken);

    /// <summary>No other event is there yet: nothing that the shape would send now may wait for it.</summary>
    public virtual ValueTask FlushAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>The slot is parked until the host allows <paramref name="wanted"/>.</summary>
    public abstract ValueTask BlockAsync(TokenCounts used, TokenCounts wanted, CancellationToken cancellationToken);

    /// <summary>All is posted but the receipt: completes when the host was told the exact due.</summary>
    /// <param name="isCovered">A voucher covers it already, so that receipt and settlement, which say the due, follow at once.</param>
    public abstract Task SettleAsync(ulong due, bool isCovered, CancellationToken cancellationToken);

    /// <summary>Completes when the final frame was sent, or leaves with the settlement that the caller sends next.</summary>
    public abstract Task CompleteAsync(CancellationToken cancellationToken);

    /// <summary>The client reads no more: nothing of what its shape would still send is sent, and nobody waits for a tick. Thread-safe.</summary>
    public virtual void Leave()
    {
    }

    public virtual ValueTask DisposeAsync()
    {
        sealer.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Sends <paramref name="frames"/> frames of what waits, filler after it, in as few chunks as possible.</summary>
    /// <param name="isFollowed">The caller tells the host something else next: the chunks leave with that.</param>
    protected async ValueTask SendAsync(AnswerWriter writer, int frames, bool isFinal, bool isFollowed, CancellationToken cancellationToken)
    {
        while (frames > 0)
        {
            int count = Math.Min(frames, ResponseShape.MaxFramesPerChunk);
            frames -= count;
            if (_frames.Length < count * ResponseShape.FrameSize)
            {
                _frames = new byte[count * ResponseShape.FrameSize];
            }

            for (int i = 0; i < count; i++)
            {
                writer.TakeFrame(_frames.AsSpan(i * ResponseShape.FrameSize, ResponseShape.FrameSize));
            }

            byte[] chunk = sealer.Seal(_frames.AsSpan(0, count * ResponseShape.FrameSize), isFinal && frames == 0);
            _frames.AsSpan(0, count * ResponseShape.FrameSize).Clear();
            if (isFollowed)
            {
                Output.AppendSealed(chunk);
            }
            else
            {
                await Output.SealedAsync(chunk, cancellationToken);
            }
        }
    }
}
