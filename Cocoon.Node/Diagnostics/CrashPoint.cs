using System.Diagnostics;
using System.Globalization;

namespace Cocoon.Node.Diagnostics;

/// <summary>Named steps of a payment's life at which a test lets the process end as SIGKILL ends it: no handler runs, nothing is flushed.</summary>
/// <remarks>
/// Armed by the environment variable <see cref="Variable"/> alone, read once: <c>NAME</c>, or <c>NAME:N</c> for the Nth time that the step
/// is reached. Without it a step costs one comparison. Whoever can set it can end the process anyway.
/// </remarks>
internal static class CrashPoint
{
    public const string Variable = "COCOON_CRASH_AT";

    public const string ClientOpenStored = "client.open-stored";
    public const string ClientOpenShown = "client.open-shown";
    public const string ClientOpenRecorded = "client.open-recorded";
    public const string ClientTotalStored = "client.total-stored";
    public const string ClientRequestSent = "client.request-sent";
    public const string ClientAccepted = "client.accepted";
    public const string ClientAnswering = "client.answering";
    public const string ClientAnswered = "client.answered";
    public const string ClientPaid = "client.paid";
    public const string ClientReceipted = "client.receipted";
    public const string ClientEnded = "client.ended";
    public const string ClientAckReceived = "client.ack-received";
    public const string ClientAckStored = "client.ack-stored";
    public const string ClientRefundSeen = "client.refund-seen";
    public const string ClientClosed = "client.closed";

    public const string ProviderChannelMet = "provider.channel-met";
    public const string ProviderVoucherVerified = "provider.voucher-verified";
    public const string ProviderVoucherStored = "provider.voucher-stored";
    public const string ProviderReserved = "provider.reserved";
    public const string ProviderAccepted = "provider.accepted";
    public const string ProviderAnswering = "provider.answering";
    public const string ProviderAnswered = "provider.answered";
    public const string ProviderDueStored = "provider.due-stored";
    public const string ProviderClaimQueued = "provider.claim-queued";
    public const string ProviderClaimed = "provider.claimed";
    public const string ProviderClaimRecorded = "provider.claim-recorded";
    public const string ProviderCloseStored = "provider.close-stored";

    private static readonly string? s_armed = Environment.GetEnvironmentVariable(Variable)?.Split(':')[0];
    private static int s_left = Occurrence(Environment.GetEnvironmentVariable(Variable));

    public static bool IsArmed => s_armed is { Length: > 0 };

    /// <summary>Step of the outbox for one kind of intention, such as <c>outbox.signed.open</c>.</summary>
    public static string Outbox(string step, string kind) => $"outbox.{step}.{kind}";

    /// <summary>Does not return when this step is the armed one.</summary>
    public static void Reach(string name)
    {
        if (s_armed is null || s_armed != name || Interlocked.Decrement(ref s_left) > 0)
        {
            return;
        }

        using Process self = Process.GetCurrentProcess();
        self.Kill();

        // The signal is under way; nothing after this step may still happen.
        Thread.Sleep(Timeout.Infinite);
    }

    private static int Occurrence(string? armed) =>
        armed?.Split(':') is [_, string count] && int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out int times) ? times : 1;
}
