using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.Messages;

internal enum TonMessageKind
{
    Internal,
    ExternalIn,
    ExternalOut,
}

/// <summary>A message as found in a transaction.</summary>
internal sealed class TonMessage
{
    private TonMessage(Cell raw, TonMessageKind kind, Cell body)
    {
        Raw = raw;
        Kind = kind;
        Body = body;
    }

    public Cell Raw { get; }

    public CellHash Hash => Raw.Hash;

    public TonMessageKind Kind { get; }

    public TonAddress? Source { get; private init; }

    public TonAddress? Destination { get; private init; }

    /// <summary>Nanotons carried; 0 for external messages.</summary>
    public ulong Value { get; private init; }

    public bool Bounce { get; private init; }

    /// <summary>The message is a bounce: a receiver failed and what is left of the value comes back.</summary>
    public bool Bounced { get; private init; }

    /// <summary>What was <c>ihr_fee</c> before version 12, <c>extra_flags</c> since.</summary>
    public ulong ExtraFlags { get; private init; }

    public ulong ForwardFee { get; private init; }

    public ulong CreatedLt { get; private init; }

    public uint CreatedAt { get; private init; }

    public StateInit? StateInit { get; private init; }

    /// <summary>The body, whether it was inline or in a reference.</summary>
    public Cell Body { get; }

    /// <summary>The first 32 bits of the body, or <c>null</c> when it is shorter.</summary>
    public uint? OpCode => !Body.IsExotic && Body.BitLength >= 32 ? (uint)Body.BeginParse().LoadUInt(32) : null;

    /// <summary>TEP-467 hash of an external-in message.</summary>
    public CellHash NormalizedHash =>
        Kind == TonMessageKind.ExternalIn && Destination is { } destination
            ? new ExternalMessage(destination, Body).NormalizedHash()
            : throw new InvalidOperationException("Only external-in messages have a normalised hash.");

    /// <exception cref="TonException">Malformed.</exception>
    public static TonMessage Read(Cell cell)
    {
        CellSlice slice = cell.BeginParse();
        if (!slice.LoadBit())
        {
            _ = slice.LoadBit();
            bool bounce = slice.LoadBit();
            bool bounced = slice.LoadBit();
            TonAddress? source = slice.LoadAddress();
            TonAddress destination = slice.LoadRequiredAddress();
            ulong value = slice.LoadCoins64();
            _ = slice.LoadMaybeReference();
            ulong extraFlags = slice.LoadCoins64();
            ulong forwardFee = slice.LoadCoins64();
            ulong createdLt = slice.LoadUInt64();
            uint createdAt = slice.LoadUInt32();
            (StateInit? init, Cell body) = ReadInitAndBody(slice);
            return new TonMessage(cell, TonMessageKind.Internal, body)
            {
                Source = source,
                Destination = destination,
                Value = value,
                Bounce = bounce,
                Bounced = bounced,
                ExtraFlags = extraFlags,
                ForwardFee = forwardFee,
                CreatedLt = createdLt,
                CreatedAt = createdAt,
                StateInit = init,
            };
        }

        if (!slice.LoadBit())
        {
            slice.SkipExternalAddress();
            TonAddress destination = slice.LoadRequiredAddress();
            _ = slice.LoadCoins();
            (StateInit? init, Cell body) = ReadInitAndBody(slice);
            return new TonMessage(cell, TonMessageKind.ExternalIn, body) { Destination = destination, StateInit = init };
        }

        TonAddress? from = slice.LoadAddress();
        slice.SkipExternalAddress();
        ulong lt = slice.LoadUInt64();
        uint at = slice.LoadUInt32();
        (StateInit? outInit, Cell outBody) = ReadInitAndBody(slice);
        return new TonMessage(cell, TonMessageKind.ExternalOut, outBody) { Source = from, CreatedLt = lt, CreatedAt = at, StateInit = outInit };
    }

    private static (StateInit? Init, Cell Body) ReadInitAndBody(CellSlice slice)
    {
        StateInit? init = null;
        if (slice.LoadBit())
        {
            init = StateInit.Read(slice.LoadBit() ? slice.LoadReference().BeginParse() : slice);
        }

        Cell body = slice.LoadBit() ? slice.LoadReference() : slice.RemainderToCell();
        return (init, body);
    }
}
