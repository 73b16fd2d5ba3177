using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.Messages;

/// <summary>A parsed ordinary transaction: what an account received, did and sent, with every fee.</summary>
internal sealed class TonTransaction
{
    private const int MaxOutMessages = 512;

    private TonTransaction(Cell raw) => Raw = raw;

    public Cell Raw { get; }

    public TransactionId Id => new(LogicalTime, Raw.Hash);

    public CellHash AccountId { get; private init; }

    public ulong LogicalTime { get; private init; }

    public TransactionId Previous { get; private init; }

    /// <summary>Chain time, Unix seconds.</summary>
    public uint Now { get; private init; }

    public AccountStatus OldStatus { get; private init; }

    public AccountStatus EndStatus { get; private init; }

    public TonMessage? InMessage { get; private init; }

    /// <summary>In the order in which they were created.</summary>
    public IReadOnlyList<TonMessage> OutMessages { get; private init; } = [];

    /// <summary>Nanotons that the network took from this account in this transaction, beside forward fees of the messages sent.</summary>
    public ulong TotalFees { get; private init; }

    public ulong StorageFees { get; private init; }

    /// <summary>Nanotons of storage debt left unpaid.</summary>
    public ulong StorageFeesDue { get; private init; }

    public ComputePhase? Compute { get; private init; }

    public ActionPhase? Action { get; private init; }

    /// <summary>The transaction as a whole failed: compute or action phase; no state change beside fees, and nothing sent but a bounce.</summary>
    public bool Aborted { get; private init; }

    /// <summary>A bounce phase ran and returned what was left of the value.</summary>
    public bool Bounced { get; private init; }

    public bool Destroyed { get; private init; }

    /// <summary>By how many nanotons the balance of the account changed: value in, less fees, less what the messages sent carry and cost.</summary>
    public Int128 BalanceChange
    {
        get
        {
            Int128 change = (InMessage?.Value ?? 0) - (Int128)TotalFees;
            foreach (TonMessage message in OutMessages)
            {
                change -= (Int128)message.Value + message.ForwardFee;
            }

            return change;
        }
    }

    /// <summary>Everything the network takes because of this transaction: its fees and the forward fees of what it sent.</summary>
    public ulong NetworkFees => TotalFees + OutMessages.Aggregate(0UL, (sum, message) => sum + message.ForwardFee);

    /// <summary>Computed and acted without fault and without a skipped action.</summary>
    public bool Succeeded => !Aborted && Compute is not { Success: false, SkipReason: null } && Action is not { Success: false } and not { SkippedActions: > 0 };

    /// <exception cref="TonException">Malformed, or not a transaction that executes messages.</exception>
    public static TonTransaction Read(Cell cell)
    {
        CellSlice slice = cell.BeginParse();
        if (slice.LoadUInt(4) != 7)
        {
            throw TonException.Malformed("cell that is not a transaction");
        }

        CellHash account = slice.LoadHash();
        ulong lt = slice.LoadUInt64();
        CellHash previousHash = slice.LoadHash();
        TransactionId previous = new(slice.LoadUInt64(), previousHash);
        uint now = slice.LoadUInt32();
        int outCount = (int)slice.LoadUInt(15);
        AccountStatus oldStatus = ReadStatus(slice);
        AccountStatus endStatus = ReadStatus(slice);
        CellSlice messages = slice.LoadReference().BeginParse();
        ulong fees = slice.LoadCoins64();
        _ = slice.LoadMaybeReference();
        _ = slice.LoadReference();
        Description description = Description.Read(slice.LoadReference().BeginParse());

        TonMessage? inMessage = messages.LoadMaybeReference() is { } inCell ? TonMessage.Read(inCell) : null;
        List<TonMessage> outMessages = [];
        foreach ((_, CellSlice value) in HashmapReader.Enumerate(messages.LoadMaybeReference(), 15, MaxOutMessages))
        {
            outMessages.Add(TonMessage.Read(value.LoadReference()));
        }

        if (outMessages.Count != outCount)
        {
            throw TonException.Malformed("transaction whose message count is not its messages'");
        }

        return new TonTransaction(cell)
        {
            AccountId = account,
            LogicalTime = lt,
            Previous = previous,
            Now = now,
            OldStatus = oldStatus,
            EndStatus = endStatus,
            InMessage = inMessage,
            OutMessages = outMessages,
            TotalFees = fees,
            StorageFees = description.StorageFees,
            StorageFeesDue = description.StorageFeesDue,
            Compute = description.Compute,
            Action = description.Action,
            Aborted = description.Aborted,
            Bounced = description.Bounced,
            Destroyed = description.Destroyed,
        };
    }

    private static AccountStatus ReadStatus(CellSlice slice) => (AccountStatus)slice.LoadUInt(2);

    private sealed class Description
    {
        public ulong StorageFees { get; private set; }

        public ulong StorageFeesDue { get; private set; }

        public ComputePhase? Compute { get; private set; }

        public ActionPhase? Action { get; private set; }

        public bool Aborted { get; private set; }

        public bool Bounced { get; private set; }

        public bool Destroyed { get; private set; }

        public static Description Read(CellSlice slice)
        {
            Description result = new();
            ulong tag = slice.LoadUInt(4);
            switch (tag)
            {
                case 0:
                    _ = slice.LoadBit();
                    if (slice.LoadBit())
                    {
                        result.ReadStorage(slice);
                    }

                    if (slice.LoadBit())
                    {
                        _ = slice.LoadBit() ? slice.LoadCoins() : 0;
                        _ = slice.LoadCoins();
                        _ = slice.LoadMaybeReference();
                    }

                    result.ReadComputeAndAction(slice);
                    result.Bounced = slice.LoadBit() && ReadBounce(slice);
                    result.Destroyed = slice.LoadBit();
                    return result;
                case 1:
                    result.ReadStorage(slice);
                    return result;
                case 2 or 3:
                    result.ReadStorage(slice);
                    result.ReadComputeAndAction(slice);
                    result.Destroyed = slice.LoadBit();
                    return result;
                default:
                    throw TonException.Malformed($"unknown kind of transaction {tag}");
            }
        }

        private static bool ReadBounce(CellSlice slice)
        {
            if (slice.LoadBit())
            {
                SkipStorageUsed(slice);
                _ = slice.LoadCoins();
                _ = slice.LoadCoins();
                return true;
            }

            if (slice.LoadBit())
            {
                SkipStorageUsed(slice);
                _ = slice.LoadCoins();
            }

            return false;
        }

        private static void SkipStorageUsed(CellSlice slice)
        {
            _ = slice.LoadVarUInt(3);
            _ = slice.LoadVarUInt(3);
        }

        private static void SkipStatusChange(CellSlice slice)
        {
            if (slice.LoadBit())
            {
                _ = slice.LoadBit();
            }
        }

        private void ReadStorage(CellSlice slice)
        {
            StorageFees = slice.LoadCoins64();
            StorageFeesDue = slice.LoadBit() ? slice.LoadCoins64() : 0;
            SkipStatusChange(slice);
        }

        private void ReadComputeAndAction(CellSlice slice)
        {
            Compute = ReadCompute(slice);
            Action = slice.LoadBit() ? ReadAction(slice.LoadReference().BeginParse()) : null;
            Aborted = slice.LoadBit();
        }

        private static ComputePhase ReadCompute(CellSlice slice)
        {
            if (!slice.LoadBit())
            {
                ulong reason = slice.LoadUInt(2);
                if (reason == 3)
                {
                    // cskip_suspended$110
                    _ = slice.LoadBit();
                }

                return new ComputePhase(false, 0, 0, 0, reason switch
                {
                    0 => "the account has no state",
                    1 => "the state init does not match the account",
                    2 => "the message carries too little for gas",
                    _ => "the account is suspended",
                });
            }

            bool success = slice.LoadBit();
            slice.Skip(2);
            ulong gasFees = slice.LoadCoins64();
            CellSlice vm = slice.LoadReference().BeginParse();
            ulong gasUsed = (ulong)vm.LoadVarUInt(3);
            _ = vm.LoadVarUInt(3);
            _ = vm.LoadBit() ? vm.LoadVarUInt(2) : 0;
            vm.Skip(8);
            return new ComputePhase(success, vm.LoadInt32(), gasUsed, gasFees, null);
        }

        private static ActionPhase ReadAction(CellSlice slice)
        {
            bool success = slice.LoadBit();
            _ = slice.LoadBit();
            bool noFunds = slice.LoadBit();
            SkipStatusChange(slice);
            ulong forwardFees = slice.LoadBit() ? slice.LoadCoins64() : 0;
            ulong actionFees = slice.LoadBit() ? slice.LoadCoins64() : 0;
            int resultCode = slice.LoadInt32();
            _ = slice.LoadBit() ? slice.LoadInt32() : 0;
            int total = (int)slice.LoadUInt(16);
            _ = slice.LoadUInt(16);
            int skipped = (int)slice.LoadUInt(16);
            int created = (int)slice.LoadUInt(16);
            return new ActionPhase(success, resultCode, total, skipped, created, noFunds, forwardFees, actionFees);
        }
    }
}
