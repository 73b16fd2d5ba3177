using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Payments;

/// <summary>Brings back what lies in channels that have ended: goes on with interrupted closes, finishes those whose challenge or life is over.</summary>
/// <remarks>Every step may be repeated: intentions are named, and a channel's account is destroyed once.</remarks>
internal sealed partial class ChannelKeeper(ClientChannels channels, ChannelCloser closer, IChannelChain chain, ILogger<ChannelKeeper> logger)
{
    /// <summary>One look at all channels. A channel that cannot be helped now is logged and looked at again next time.</summary>
    /// <exception cref="TonException">The chain does not tell its time.</exception>
    public async Task TendAsync(CancellationToken cancellationToken)
    {
        if (channels.Channels.Count == 0)
        {
            return;
        }

        await channels.RecoverAsync(cancellationToken);
        uint now = await chain.GetTimeAsync(cancellationToken);
        foreach (ClientChannel channel in channels.Channels)
        {
            try
            {
                await TendAsync(channel, now, cancellationToken);
            }
            catch (Exception failure) when (failure is PaymentException or TonException)
            {
                Log.NotHelped(logger, channel.Channel, failure.Message);
            }
        }
    }

    private async Task TendAsync(ClientChannel channel, uint now, CancellationToken cancellationToken)
    {
        ClientChannelRecord record = channel.Record;
        if (channel.HasLiveSessions || now <= record.OpenBefore)
        {
            return;
        }

        bool over = (record.CloseAt != 0 && now >= record.CloseAt) || (record.ExpiresAt != 0 && now >= record.ExpiresAt);
        switch (record.State)
        {
            case ChannelPhase.Open or ChannelPhase.Opening or ChannelPhase.Closing when over:
                await closer.FinishCloseAsync(channel, cancellationToken);
                break;
            case ChannelPhase.Opening:
                // Deployed and never opened: the whole value comes back.
                await closer.FinishCloseAsync(channel, cancellationToken);
                break;
            case ChannelPhase.Closing when record is { CloseAck: not null, CloseAt: 0 } && record.Claimed > record.CloseTotal:
                // The provider waited too long for us and claimed its voucher: the agreement is void.
                await closer.StartCloseAsync(channel, cancellationToken);
                break;
            case ChannelPhase.Closing when record is { CloseAck: null, CloseAt: 0 } && channel.Refusals >= ClientChannels.MaxRefusals:
                await closer.StartCloseAsync(channel, cancellationToken);
                break;
            case ChannelPhase.Closing when record.CloseAt == 0:
                await CloseTogetherAsync(channel, cancellationToken);
                break;
        }
    }

    /// <summary>A provider that does not answer or agree must not tie the deposit up until the channel expires.</summary>
    private async Task CloseTogetherAsync(ClientChannel channel, CancellationToken cancellationToken)
    {
        try
        {
            await closer.CloseTogetherAsync(channel, cancellationToken);
        }
        catch (PaymentException failure) when (failure.Code == PaymentErrorCode.Provider)
        {
            channel.CountRefusal();
            throw;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(4130, LogLevel.Warning, "Channel {Channel} could not be brought to its end now: {Detail}")]
        public static partial void NotHelped(ILogger logger, CellHash channel, string detail);
    }
}
