using System.Runtime.ExceptionServices;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Payments.Proto;

namespace Cocoon.Node.Payments;

internal sealed partial class ClientChannel
{
    private readonly List<Vouching> _vouchings = [];
    private SignedVoucher? _signed;

    /// <summary>The highest voucher covers every session, and what the provider has said is owed besides.</summary>
    public bool IsCovered
    {
        get
        {
            lock (_lock)
            {
                return _record.HighestTotal >= Committed();
            }
        }
    }

    /// <summary>The voucher that lets the session cost up to <paramref name="upTo"/> in all; durable before it is returned.</summary>
    /// <remarks>
    /// Requests that come while a total is being stored are served together by the next one: one write, one flush and one signature
    /// for all of them, each of which could have asked alone.
    /// </remarks>
    internal async Task<VoucherMessage> VouchAsync(ClientSession session, ulong upTo, CancellationToken cancellationToken)
    {
        if (upTo > session.Limit)
        {
            throw new PaymentException(PaymentErrorCode.Limit, $"The request would cost more than its limit of {MoneyWords.Ton(session.Limit)} TON.");
        }

        Vouching own = new(session, upTo);
        lock (_lock)
        {
            _vouchings.Add(own);
        }

        try
        {
            await _signing.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            lock (_lock)
            {
                _vouchings.Remove(own);
            }

            throw;
        }

        try
        {
            if (!own.IsDone)
            {
                await VouchWaitingAsync();
            }
        }
        finally
        {
            _signing.Release();
        }

        return own.Result;
    }

    /// <summary>Serves everybody who waits for a voucher; alone, when one of them asks for more than there is.</summary>
    /// <remarks>Called with <see cref="_signing"/> held. No one's cancellation may take the voucher from the others.</remarks>
    private async Task VouchWaitingAsync()
    {
        Vouching[] waiting;
        lock (_lock)
        {
            waiting = [.. _vouchings];
            _vouchings.Clear();
        }

        foreach (Vouching vouching in waiting)
        {
            await vouching.TryAsync(() => ChargeAsync(vouching.Session, vouching.UpTo > vouching.Session.Charged ? vouching.UpTo - vouching.Session.Charged : 0, CancellationToken.None));
        }

        waiting = [.. waiting.Where(v => !v.IsDone)];
        if (waiting.Length == 0)
        {
            return;
        }

        try
        {
            VoucherMessage message = await AllocateAsync(waiting);
            foreach (Vouching vouching in waiting)
            {
                vouching.Complete(message);
            }
        }
        catch (Exception)
        {
            // Together they ask for too much, or nothing can be stored: each hears what is so for it.
            foreach (Vouching vouching in waiting)
            {
                await vouching.TryAsync(async () => vouching.Complete(await AllocateAsync(vouching)));
            }
        }
    }

    /// <summary>Raises what is meant for the sessions, and the channel's total where that needs it; changes nothing when it fails.</summary>
    private async Task<VoucherMessage> AllocateAsync(params Vouching[] vouchings)
    {
        ulong[] before = new ulong[vouchings.Length];
        ulong least, wanted;
        SessionAllocation[] allocations;
        lock (_lock)
        {
            if (vouchings.Any(v => !_live.ContainsKey(v.Session.Id)))
            {
                throw new PaymentException(PaymentErrorCode.State, "The session has ended.");
            }

            for (int i = 0; i < vouchings.Length; i++)
            {
                ClientSession session = vouchings[i].Session;
                before[i] = session.Allocated;
                session.Allocated = Math.Max(before[i], vouchings[i].UpTo);
            }

            // One step for each that runs: then the next requests, which cost less than that, need no other signature and no other flush.
            least = Committed();
            wanted = Math.Min(_record.Deposit, _live.Values.Aggregate(_ended, (sum, live) => checked(sum + Math.Max(live.Allocated, Math.Min(live.Limit, live.Ahead)))));
            allocations = [.. _live.Values.Select(live => new SessionAllocation(live.Id, live.Allocated))];
        }

        try
        {
            return await RaiseAsync(least, wanted, allocations, CancellationToken.None);
        }
        catch
        {
            lock (_lock)
            {
                // Backwards: a session may be among them twice.
                for (int i = vouchings.Length - 1; i >= 0; i--)
                {
                    vouchings[i].Session.Allocated = before[i];
                }
            }

            throw;
        }
    }

    /// <summary>Most vouchers repeat a total: one signature serves for all that do.</summary>
    private SignedVoucher SignOnce(VoucherStatement statement)
    {
        SignedVoucher? signed = Volatile.Read(ref _signed);
        if (signed?.Statement != statement)
        {
            signed = new SignedVoucher(statement, statement.Sign(_payKey));
            Volatile.Write(ref _signed, signed);
        }

        return signed;
    }

    /// <summary>A session that waits for a voucher. Its waiter and whoever serves it hand over by the channel's semaphore.</summary>
    private sealed class Vouching(ClientSession session, ulong upTo)
    {
        private VoucherMessage? _message;
        private ExceptionDispatchInfo? _failure;

        public ClientSession Session { get; } = session;

        public ulong UpTo { get; } = upTo;

        public bool IsDone => _message is not null || _failure is not null;

        public VoucherMessage Result
        {
            get
            {
                _failure?.Throw();
                return _message!;
            }
        }

        public void Complete(VoucherMessage message) => _message = message;

        public async Task TryAsync(Func<Task> step)
        {
            try
            {
                await step();
            }
            catch (Exception failure)
            {
                // Thrown again where its session waits.
                _failure = ExceptionDispatchInfo.Capture(failure);
            }
        }
    }
}
