using Cocoon.Protocol.Payments.Proto;

namespace Cocoon.Node.Payments;

/// <summary>One session's share of a channel: how much of the vouchers is meant for it.</summary>
/// <remarks>Thread-safe through its channel. End it exactly once.</remarks>
/// <param name="channel">Pays for it.</param>
/// <param name="id">As the enclave chose it.</param>
/// <param name="limit">Most that it may cost.</param>
/// <param name="spender">Digest of the application key, or <c>null</c>.</param>
/// <param name="ahead">How far the provider may serve beyond what is vouched for it: one step of its quote.</param>
internal sealed class ClientSession(ClientChannel channel, SessionId id, ulong limit, string? spender, ulong ahead)
{
    public SessionId Id { get; } = id;

    public ClientChannel Channel { get; } = channel;

    /// <summary>How far the provider may serve beyond what is vouched for it, nanoTON.</summary>
    internal ulong Ahead => ahead;

    /// <summary>Most that this session may cost.</summary>
    public ulong Limit { get; } = limit;

    /// <summary>Digest of the application key the request came with; <c>null</c>: no limit per key applies.</summary>
    public string? Spender { get; } = spender;

    /// <summary>Counted against the spender so far, nanoTON.</summary>
    public ulong Charged { get; internal set; }

    /// <summary>When the spender was first charged: the day that what is left over goes back to.</summary>
    public DateTimeOffset? ChargedAt { get; internal set; }

    /// <summary>Meant for this session so far, nanoTON.</summary>
    public ulong Allocated { get; internal set; }

    /// <summary>What the enclave's authenticated figures say that it owes so far, nanoTON.</summary>
    public ulong Due { get; internal set; }

    /// <summary>The most that the provider may truthfully say it owes.</summary>
    internal ulong MayOwe => Allocated == 0 ? 0 : Math.Max(Due, Math.Min(Limit, Allocated > ulong.MaxValue - ahead ? ulong.MaxValue : Allocated + ahead));

    /// <summary>Notes what the session owes so far; dues never fall. It is on the disk with the next voucher.</summary>
    public void Observe(ulong due) => Channel.Observe(this, due);

    /// <summary>The voucher that lets the session cost up to <paramref name="upTo"/> in all; durable before it is returned.</summary>
    /// <remarks>Uses what earlier sessions left over before it raises the channel's total.</remarks>
    /// <exception cref="PaymentException">Over a limit, over the deposit, or the channel closes.</exception>
    public Task<VoucherMessage> VouchAsync(ulong upTo, CancellationToken cancellationToken) => Channel.VouchAsync(this, upTo, cancellationToken);

    /// <summary>Settles the session at what it really cost; the rest of its allocation is credit for the next one.</summary>
    public Task EndAsync(ulong due, CancellationToken cancellationToken) => EndAsync(due, mayOweUpTo: due, cancellationToken);

    /// <summary>As <see cref="EndAsync(ulong, CancellationToken)"/> for a session that came to its end, without waiting for the disk.</summary>
    public ValueTask EndSoonAsync(ulong due)
    {
        if (ChargedAt is not null)
        {
            // What its application key was charged too much goes back at once.
            return new ValueTask(EndAsync(due, CancellationToken.None));
        }

        Channel.EndSoon(this, due);
        return ValueTask.CompletedTask;
    }

    /// <param name="due">What was authenticated of it.</param>
    /// <param name="mayOweUpTo">It was cut off: the provider may truly have served more than we saw, up to this.</param>
    /// <param name="cancellationToken">Cancels the write to the store; memory is settled before.</param>
    public Task EndAsync(ulong due, ulong mayOweUpTo, CancellationToken cancellationToken) => Channel.EndAsync(this, due, mayOweUpTo, cancellationToken);
}
