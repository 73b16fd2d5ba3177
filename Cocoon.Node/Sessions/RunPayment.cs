using Cocoon.Node.Payments;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Sessions;

/// <summary>What one run pays: vouchers while the answer is metered, and what it may have cost when it ends.</summary>
/// <remarks>In steady and batch shape <see cref="VouchEachBlockAsync"/> runs beside the reading of the answer; everything else comes from there.</remarks>
internal sealed class RunPayment(OpenedSession session, ClientChannel channel, ClientSession payment, Ask ask, TimeProvider time)
{
    private readonly PaymentPacer _pacer = new(session.Enclave.Quote.StepNanoton, RequestBound.Due(ask, session.Enclave.Quote));
    private int _vouchers;

    /// <summary>The channel that pays, as people write it.</summary>
    public string Address { get; } = new TonAddress(0, channel.Channel).ToFriendly(bounceable: true);

    /// <summary>What was metered and vouched so far.</summary>
    public AnswerCost Cost => new(_pacer.Due, _vouchers, channel.HighestTotal, Address);

    /// <summary>The most that this run may have cost: more than what was metered while the provider's last word is missing.</summary>
    public ulong Exposure => MayOweMore ? _pacer.Exposure : _pacer.Due;

    /// <summary>What was vouched for this session beyond what was delivered.</summary>
    public ulong AtRisk => _pacer.Allocated > _pacer.Due ? _pacer.Allocated - _pacer.Due : 0;

    /// <summary>The most that the request may cost; the enclave holds to it.</summary>
    public ulong Bound => _pacer.Bound;

    /// <summary>Whether the provider may have served more than was seen.</summary>
    public bool MayOweMore { get; private set; }

    public VoucherMessage? LastVoucher { get; private set; }

    /// <summary>The voucher that the request carries: on the disk, and not sent.</summary>
    public Task VouchFirstAsync(CancellationToken cancellationToken) => SignAsync(_pacer.First(), cancellationToken);

    /// <summary>From now on the provider may serve.</summary>
    public void RequestLeaves() => MayOweMore = true;

    /// <summary>The provider serves nothing more, by its own or its enclave's last word, so nothing more can be owed.</summary>
    public void NothingMoreIsServed() => MayOweMore = false;

    /// <summary>What the provider remembers of the channel is compared with our books.</summary>
    /// <returns>Whether more is owed than was known.</returns>
    public async Task<bool> ReconcileAsync(ulong highestTotal, ulong carriedDue, CancellationToken cancellationToken)
    {
        try
        {
            return await channel.ReconcileAsync(highestTotal, carriedDue, payment, cancellationToken);
        }
        catch (PaymentException exception)
        {
            throw PaymentFailures.From(exception);
        }
    }

    /// <summary>The same again, on top of what is now known to be owed.</summary>
    public Task VouchAgainAsync(CancellationToken cancellationToken) => VouchAsync(_pacer.Allocated, cancellationToken);

    /// <exception cref="InferenceException">More than the request can cost.</exception>
    public async Task ObserveAsync(ulong due, CancellationToken cancellationToken)
    {
        Note(due);
        if (ask.Shape == Shape.Fast && _pacer.NextFast() is { } allocation)
        {
            await VouchAsync(allocation, cancellationToken);
        }
    }

    /// <exception cref="InferenceException">More than the request can cost.</exception>
    public async Task FinishAsync(ulong due, CancellationToken cancellationToken)
    {
        NothingMoreIsServed();
        Note(due);

        // In steady and batch shape the next block's message covers it: one more would tell when the answer ended.
        // In fast shape the lead nearly always covers it, and the voucher that the provider holds is the last one.
        ulong before = _pacer.Allocated;
        ulong allocation = _pacer.Final(due);
        if (ask.Shape == Shape.Fast && (allocation > before || !channel.IsCovered))
        {
            await VouchAsync(allocation, cancellationToken);
        }
    }

    /// <summary>Exactly one voucher message per block, whatever happened in it, so that messages say nothing about tokens.</summary>
    public async Task VouchEachBlockAsync(CancellationToken cancellationToken)
    {
        try
        {
            using PeriodicTimer timer = new(ResponseShape.Block, time);
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                await VouchAsync(_pacer.NextBlock(), cancellationToken);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or InferenceException)
        {
            // The reading side tells why; an unsigned voucher only parks the slot.
        }
    }

    /// <summary>Takes the enclave's settlement for its last word, where it is one about this session and within what may be owed.</summary>
    public void Settle(SignedSettlement signed)
    {
        if (SignedRecords.TryVerifySettlement(session.Enclave.IdentityKey, signed, out Settlement? settlement)
            && settlement.SessionId.Span.SequenceEqual(session.Enclave.SessionId)
            && settlement.Channel.Span.SequenceEqual(channel.Channel.ToArray())
            && settlement.DueNanoton >= _pacer.Due
            && settlement.DueNanoton <= _pacer.Exposure
            && _pacer.Observe(settlement.DueNanoton))
        {
            NothingMoreIsServed();
        }
    }

    /// <summary>Gives back the session's share of the channel.</summary>
    public ValueTask EndAsync(bool isWhole) => isWhole
        ? payment.EndSoonAsync(_pacer.Due)
        : new ValueTask(payment.EndAsync(_pacer.Due, Exposure, CancellationToken.None));

    private void Note(ulong due)
    {
        if (!_pacer.Observe(due))
        {
            throw SessionFailures.Overcharged(session.Offer, $"it says {due} nanoTON, our bound is {_pacer.Bound}", AtRisk);
        }

        payment.Observe(due);
    }

    private async Task VouchAsync(ulong allocation, CancellationToken cancellationToken)
    {
        VoucherMessage voucher = await SignAsync(allocation, cancellationToken);
        try
        {
            await session.Link.WriteAsync(new ClientMessage { Voucher = voucher }, cancellationToken);
        }
        catch (IOException)
        {
            // A provider that has hung up: the reading side sees it and tells it with what was delivered.
        }
    }

    private async Task<VoucherMessage> SignAsync(ulong allocation, CancellationToken cancellationToken)
    {
        ulong before = channel.HighestTotal;
        VoucherMessage voucher;
        try
        {
            LastVoucher = voucher = await payment.VouchAsync(allocation, cancellationToken);
        }
        catch (PaymentException exception)
        {
            throw PaymentFailures.From(exception);
        }

        if (channel.HighestTotal > before)
        {
            _vouchers++;
        }

        return voucher;
    }
}
