using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Enclave.Sessions;

/// <summary>Frames as tokens come, the due exact and at once. Shows their timing to whoever sees the packets.</summary>
internal sealed class FastAnswerSender(ResponseSealer sealer, SessionOutput output, Func<TokenCounts, ulong> due) : AnswerSender(sealer, output)
{
    private readonly AnswerWriter _writer = new();
    private ulong _told;

    public override async ValueTask PostAsync(AnswerEvent answer, TokenCounts used, CancellationToken cancellationToken)
    {
        // The receipt waits for the final frame: nothing comes after it.
        _writer.Append(answer);
        if (answer.BodyCase == AnswerEvent.BodyOneofCase.Receipt)
        {
            return;
        }

        await SendAsync(_writer, _writer.PendingFrames, isFinal: false, cancellationToken);
        ulong now = due(used);
        if (now > _told)
        {
            _told = now;
            await Output.MeteredAsync(now, isBlocked: false, isFinal: false, cancellationToken);
        }
    }

    public override async ValueTask BlockAsync(TokenCounts used, TokenCounts wanted, CancellationToken cancellationToken)
    {
        ulong needed = due(wanted);
        _writer.Append(new AnswerEvent { Delta = new Delta { DueNanoton = due(used), BlockedDue = needed } });
        await SendAsync(_writer, _writer.PendingFrames, isFinal: false, cancellationToken);
        await Output.MeteredAsync(needed, isBlocked: true, isFinal: false, cancellationToken);
    }

    public override async Task SettleAsync(ulong due, CancellationToken cancellationToken) =>
        await Output.MeteredAsync(due, isBlocked: false, isFinal: true, cancellationToken);

    public override async Task CompleteAsync(CancellationToken cancellationToken) =>
        await SendAsync(_writer, Math.Max(1, _writer.PendingFrames), isFinal: true, cancellationToken);
}
