using Cocoon.Node.Control;
using Cocoon.Node.Payments;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Diagnostics;

/// <summary>Tells vouchers and channels by the difference of two looks at what the ledgers hold in memory.</summary>
/// <remarks>Called by one loop only.</remarks>
internal sealed class MoneyWatch(IServiceProvider services)
{
    private Dictionary<CellHash, ChannelSnapshot>? _seen;

    public void Look(EventFeed feed)
    {
        Dictionary<CellHash, ChannelSnapshot> now = [];
        foreach (ClientChannel channel in services.GetService<ClientChannels>()?.Channels ?? [])
        {
            ChannelSnapshot snapshot = ChannelSnapshot.Of(channel);
            now[snapshot.Channel] = snapshot;
        }

        foreach (ProviderChannel channel in services.GetService<ProviderLedger>()?.Channels ?? [])
        {
            ChannelSnapshot snapshot = ChannelSnapshot.Of(channel);
            now[snapshot.Channel] = snapshot;
        }

        if (_seen is { } before)
        {
            foreach (ChannelSnapshot snapshot in now.Values)
            {
                Compare(feed, before.GetValueOrDefault(snapshot.Channel), snapshot);
            }
        }

        _seen = now;
    }

    private static void Compare(EventFeed feed, ChannelSnapshot? before, ChannelSnapshot now)
    {
        string direction = now.Incoming ? "in" : "out";
        if (before?.State != now.State)
        {
            feed.Publish("channel", now.Peer?.ToString(), ("channel", now.Channel.ToString()), ("direction", direction), ("state", now.State));
        }

        ulong added = now.Vouchered - Math.Min(now.Vouchered, before?.Vouchered ?? 0);
        if (added > 0)
        {
            feed.Publish(
                "voucher",
                now.Peer?.ToString(),
                ("channel", now.Channel.ToString()),
                ("direction", direction),
                ("added_nanoton", ControlJson.Nanoton(added)),
                ("total_nanoton", ControlJson.Nanoton(now.Vouchered)));
        }
    }
}
