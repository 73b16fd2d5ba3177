using Cocoon.Node.Diagnostics;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>
/// The client dies at every step of open → request → voucher → close, and goes on: it loses at most one step, no total goes backwards,
/// nothing is paid twice.
/// </summary>
[Category("Chain")]
public sealed class ClientCrashWalkTests
{
    [Test, CancelAfter(900_000)]
    public async Task Client_KilledAtEveryStep_LosesAtMostOneStepAndPaysNothingTwice(CancellationToken cancellationToken)
    {
        await using CrashWalk walk = await CrashWalk.StartAsync(killsClient: true, cancellationToken);
        await walk.CrashAsync(
            walk.OpenAsync, cancellationToken,
            [CrashPoint.ClientOpenStored, .. CrashWalk.Outbox("open"), CrashPoint.ClientOpenShown, CrashPoint.ClientOpenRecorded]);
        await walk.CrashAsync(
            walk.AskAsync, cancellationToken,
            CrashPoint.ClientTotalStored, CrashPoint.ClientRequestSent, CrashPoint.ClientAccepted, CrashPoint.ClientAnswering, CrashPoint.ClientTotalStored + ":3",
            CrashPoint.ClientAnswered, CrashPoint.ClientPaid, CrashPoint.ClientReceipted, CrashPoint.ClientEnded);
        await walk.SilenceAsync(cancellationToken);
        await walk.CrashAsync(
            walk.CloseAsync, cancellationToken,
            [CrashPoint.ClientAckReceived, CrashPoint.ClientAckStored, .. CrashWalk.Outbox("close"), CrashPoint.ClientRefundSeen, CrashPoint.ClientClosed]);
        if (CrashWalk.IsFull)
        {
            await walk.CrashAsync(walk.CloseAloneAsync, cancellationToken, [.. CrashWalk.Outbox("start-close"), .. CrashWalk.Outbox("finish-close")]);
        }

        await walk.FinishAsync(cancellationToken);
    }
}
