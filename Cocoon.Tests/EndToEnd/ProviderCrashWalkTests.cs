using Cocoon.Node.Diagnostics;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>
/// The provider dies at every step of voucher → answer → claim → close, and goes on: it loses at most its credit window, no total goes
/// backwards, nothing is paid twice.
/// </summary>
[Category("Chain")]
public sealed class ProviderCrashWalkTests
{
    [Test, CancelAfter(900_000)]
    public async Task Provider_KilledAtEveryStep_LosesAtMostItsCreditAndIsPaidNothingTwice(CancellationToken cancellationToken)
    {
        await using CrashWalk walk = await CrashWalk.StartAsync(killsClient: false, cancellationToken);
        await walk.CrashAsync(
            walk.AskAsync, cancellationToken,
            CrashPoint.ProviderChannelMet, CrashPoint.ProviderVoucherVerified, CrashPoint.ProviderVoucherStored, CrashPoint.ProviderReserved, CrashPoint.ProviderAccepted,
            CrashPoint.ProviderAnswering, CrashPoint.ProviderVoucherStored + ":3", CrashPoint.ProviderAnswered, CrashPoint.ProviderDueStored);
        await walk.CrashAsync(
            walk.ClaimAsync, cancellationToken,
            [CrashPoint.ProviderClaimQueued, .. CrashWalk.Outbox("claim", all: true), CrashPoint.ProviderClaimed, CrashPoint.ProviderClaimRecorded]);
        if (CrashWalk.IsFull)
        {
            // The same steps at other places of an answer.
            await walk.CrashAsync(
                walk.AskAsync, cancellationToken,
                [.. new[] { 2, 4 }.Select(n => $"{CrashPoint.ProviderVoucherStored}:{n}"), .. new[] { 10, 40, 70, 100, 150 }.Select(n => $"{CrashPoint.ProviderAnswering}:{n}")]);
        }

        await walk.CrashAsync(walk.CloseAsync, cancellationToken, CrashPoint.ProviderCloseStored);
        await walk.FinishAsync(cancellationToken);
    }
}
