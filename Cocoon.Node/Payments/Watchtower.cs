using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Payments;

/// <summary>Claims for a provider that is away: watches the channels of a <see cref="WatchtowerFile"/> and redeems what would otherwise be lost.</summary>
/// <remarks>Needs no key of the provider: anybody may deliver a voucher, and it pays one address only. Gas comes from, and its change returns to, the watcher's wallet.</remarks>
/// <param name="send">Carries the messages of the intentions out, and says in words what became of each, in their order.</param>
internal sealed class Watchtower(
    IReadOnlyList<WatchedVoucher> vouchers, IChannelChain chain, Func<IReadOnlyList<PaymentIntent>, CancellationToken, Task<IReadOnlyList<string>>> send)
{
    private readonly HashSet<Protocol.Ton.Cells.CellHash> _done = [];

    /// <summary>Whether nothing is left to watch.</summary>
    public bool IsDone => _done.Count == vouchers.Count;

    /// <summary>One look at every channel.</summary>
    /// <param name="now">Claims everything that is due, not only what is in danger.</param>
    /// <exception cref="TonException">The chain did not answer; what was claimed before stays claimed.</exception>
    public async Task<IReadOnlyList<WatchtowerEvent>> LookAsync(bool now, CancellationToken cancellationToken)
    {
        List<WatchtowerEvent> events = [];
        List<WatchedVoucher> due = [];
        foreach (WatchedVoucher watched in vouchers.Where(v => !_done.Contains(v.Channel)))
        {
            ChannelAccount account = await chain.ReadAsync(watched.Channel, cancellationToken);
            string state = Judge(watched, account, now, out bool claim, out bool over);
            if (over)
            {
                _done.Add(watched.Channel);
            }

            if (claim)
            {
                due.Add(watched);
            }
            else
            {
                events.Add(new WatchtowerEvent(watched.Contract.Address, state, 0));
            }
        }

        foreach (WatchedVoucher[] batch in due.Chunk(ClaimQueue.MaxBatch))
        {
            await ClaimAsync(batch, events, cancellationToken);
        }

        return events;
    }

    /// <summary>What <see cref="LookAsync"/> would find and do now; nothing is sent.</summary>
    /// <exception cref="TonException">The chain did not answer.</exception>
    public async Task<IReadOnlyList<WatchtowerEvent>> PreviewAsync(bool now, CancellationToken cancellationToken)
    {
        List<WatchtowerEvent> events = [];
        foreach (WatchedVoucher watched in vouchers)
        {
            ChannelAccount account = await chain.ReadAsync(watched.Channel, cancellationToken);
            string state = Judge(watched, account, now, out bool claim, out _);
            events.Add(new WatchtowerEvent(
                watched.Contract.Address, claim ? $"due: {MoneyWords.Ton(watched.Voucher.Statement.Total - account.State!.Claimed)} TON would be claimed" : state, 0));
        }

        return events;
    }

    private async Task ClaimAsync(WatchedVoucher[] batch, List<WatchtowerEvent> events, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> words = await send(
            [.. batch.Select(v => new PaymentIntent($"watchtower:{v.Channel}:{v.Voucher.Statement.Total}", v.Contract.Claim(v.Voucher, ClientChannels.QueryId())))], cancellationToken);
        for (int i = 0; i < batch.Length; i++)
        {
            ChannelAccount account = await chain.ReadAsync(batch[i].Channel, cancellationToken);
            ulong claimed = account.State?.Claimed ?? 0;
            if (claimed >= batch[i].Voucher.Statement.Total && IsSure(batch[i], account))
            {
                _done.Add(batch[i].Channel);
            }

            events.Add(new WatchtowerEvent(batch[i].Contract.Address, $"claimed: {words[i]}", claimed));
        }
    }

    /// <summary>Nobody else looks after this channel: one server's word that there is nothing left to do ends no watch before the channel expires.</summary>
    private static bool IsSure(WatchedVoucher watched, ChannelAccount account)
    {
        uint expiresAt = account.State?.ExpiresAt ?? watched.Contract.Terms.ExpiresAt;
        return account.Corroborated || (expiresAt != 0 && account.ChainTime >= expiresAt);
    }

    private static string Judge(WatchedVoucher watched, ChannelAccount account, bool now, out bool claim, out bool over)
    {
        (claim, over) = (false, false);
        if (account.State is not { } state)
        {
            over = IsSure(watched, account);
            return over ? "the channel has ended" : "said to have ended; it is looked at again";
        }

        if (state.Claimed >= watched.Voucher.Statement.Total)
        {
            over = IsSure(watched, account);
            return "redeemed already";
        }

        claim = now || state.CloseAt != 0 || (state.ExpiresAt != 0 && state.ExpiresAt - (long)account.ChainTime < 2L * state.Terms.Challenge);
        return claim ? "due" : $"open; {MoneyWords.Ton(watched.Voucher.Statement.Total - state.Claimed)} TON wait";
    }
}

/// <param name="Claimed">nanoTON that the channel has paid in all; 0 when nothing was claimed now.</param>
internal sealed record WatchtowerEvent(TonAddress Channel, string Words, ulong Claimed);
