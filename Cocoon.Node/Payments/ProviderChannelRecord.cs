using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Payments;

/// <summary>A channel in which we are paid, as it is stored: what never changes, and what was last known.</summary>
internal sealed record ProviderChannelRecord
{
    public required CellHash Channel { get; init; }

    public TonAddress Client => Terms.Client;

    public Ed25519PublicKey PayKey => Terms.PayKey;

    public uint Challenge => Terms.Challenge;

    /// <summary>As in the address: never changes.</summary>
    public required ChannelTerms Terms { get; init; }

    /// <summary>The present one, which the client may have moved to later.</summary>
    public required uint ExpiresAt { get; init; }

    public required uint VerifiedAt { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>The highest held, with all that a claim needs. Money for the payee: never logged.</summary>
    public SignedVoucher? Voucher { get; init; }

    public long Vouchers { get; init; }

    public ulong Due { get; init; }

    public ulong Claimed { get; init; }

    public ulong Balance { get; init; }

    public uint CloseAt { get; init; }

    /// <summary>Stored before an ack leaves.</summary>
    public bool Closing { get; init; }

    public ulong? AckTotal { get; init; }

    /// <summary>Chain time of the ack.</summary>
    public uint AckAt { get; init; }

    /// <summary>The account is destroyed: nothing more can come of it.</summary>
    public bool Gone { get; init; }

    public bool ClaimQueued { get; init; }

    public static ProviderChannelRecord From(ChannelAccount account, ChannelState state, DateTimeOffset now) => new()
    {
        Channel = account.Channel,
        Terms = state.Terms,
        ExpiresAt = state.ExpiresAt,
        VerifiedAt = account.ChainTime,
        CreatedAt = now,
        Claimed = state.Claimed,
        Balance = account.Balance,
        CloseAt = state.CloseAt,
    };
}
