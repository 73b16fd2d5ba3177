using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Payments;

/// <summary>What a provider found when it looked at a channel; a closed set.</summary>
internal abstract record ChannelAcceptance
{
    private ChannelAcceptance()
    {
    }

    internal sealed record Accepted(ProviderChannel Channel) : ChannelAcceptance;

    /// <param name="Detail">For people: which of the rules, with its numbers.</param>
    internal sealed record Refused(DeclineReason Reason, string Detail) : ChannelAcceptance;
}
