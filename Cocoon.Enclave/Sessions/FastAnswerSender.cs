using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Enclave.Sessions;

/// <summary>Frames as tokens come, the due exact and at once. Shows their timing to whoever sees the packets.</summary>
internal sealed class FastAnswerSender(ResponseSealer sealer, SessionOutput output, Func<TokenCounts, ulong> due) : AnswerSender(sealer, output)
{
    /// <summary>Events that are there at once share frames, up to this many.</summary>
    private const int MaxFramesHeld = 16;

    private readonly AnswerWriter _writer = new();
    private ulong _told;
    private ulong _due;
    private bool _hasSpoken;

    public override ValueTask PostAsync(AnswerEvent answer, TokenCounts used, CancellationToken cancellationToken)
    {
        _writer.Append(answer);
        _due = due(used);
        return _writer.PendingFrames > MaxFramesHeld ? FlushAsync(cancellationToken) : ValueTask.CompletedTask;
    }

    public override async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        // The host tells its client that the request was taken with the first word it hears.
        bool isFollowed = _due > _told || (!_hasSpoken && _writer.PendingFrames == 0);
        _hasSpoken = true;
        await SendAsync(_writer, _writer.PendingFrames, isFinal: false, isFollowed, cancellationToken);
        if (isFollowed)
        {
            _told = _due;
            await Output.MeteredAsync(_due, isBlocked: false, isFinal: false, cancellationToken);
        }
    }

    public override async ValueTask BlockAsync(TokenCounts used, TokenCounts wanted, CancellationToken cancellationToken)
    {
        ulong needed = due(wanted);
        _writer.Append(new AnswerEvent { Delta = new Delta { DueNanoton = due(used), BlockedDue = needed } });
        await SendAsync(_writer, _writer.PendingFrames, isFinal: false, isFollowed: true, cancellationToken);
        await Output.MeteredAsync(needed, isBlocked: true, isFinal: false, cancellationToken);
    }

    public override async Task SettleAsync(ulong due, bool isCovered, CancellationToken cancellationToken)
    {
        if (isCovered)
        {
            Output.AppendMetered(due, isFinal: true);
            return;
        }

        await SendAsync(_writer, _writer.PendingFrames, isFinal: false, isFollowed: true, cancellationToken);
        await Output.MeteredAsync(due, isBlocked: false, isFinal: true, cancellationToken);
    }

    public override async Task CompleteAsync(CancellationToken cancellationToken) =>
        await SendAsync(_writer, Math.Max(1, _writer.PendingFrames), isFinal: true, isFollowed: true, cancellationToken);
}
