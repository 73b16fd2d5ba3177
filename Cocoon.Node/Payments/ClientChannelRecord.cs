using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Payments;

/// <summary>A channel through which we pay, as it is stored.</summary>
internal sealed record ClientChannelRecord
{
    public required CellHash Channel { get; init; }

    public required PeerId Peer { get; init; }

    public required TonAddress Payout { get; init; }

    public required Ed25519PublicKey ProviderKey { get; init; }

    public required CellHash CodeHash { get; init; }

    public required Ed25519PublicKey PayKey { get; init; }

    public required TonAddress Client { get; init; }

    public required uint Challenge { get; init; }

    public required uint OpenBefore { get; init; }

    public required uint ExpiresAt { get; init; }

    public required int GlobalId { get; init; }

    public required ulong Salt { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>What the contract can pay over its life; what was sent while it is opening, what the chain shows afterwards.</summary>
    public ulong Deposit { get; init; }

    public ChannelPhase State { get; init; }

    /// <summary>Highest total ever signed.</summary>
    public ulong HighestTotal { get; init; }

    public ulong Nonce { get; init; }

    /// <summary>Owed by sessions: what the enclave's authenticated figures said.</summary>
    public ulong Due { get; init; }

    /// <summary>The most that the provider may truthfully say is owed: it may have served more of sessions that run or were cut off than we saw.</summary>
    public ulong MayOwe { get; init; }

    /// <summary>Part of <see cref="Due"/> that was taken on the provider's word: it served this of sessions that were cut off, and no enclave's figure reached us.</summary>
    public ulong Unconfirmed { get; init; }

    public ulong Claimed { get; init; }

    public uint CloseAt { get; init; }

    public ulong? CloseTotal { get; init; }

    public byte[]? CloseAck { get; init; }

    /// <summary>nanoTON that the network took from us for opening and closing, as far as known.</summary>
    public ulong Fees { get; init; }

    public string? SettleTransaction { get; init; }

    /// <summary>Opened by the owner's own command: does not count against the hourly limit.</summary>
    public bool Attended { get; init; }

    public ulong Spendable => Deposit > HighestTotal ? Deposit - HighestTotal : 0;

    public static ClientChannelRecord Of(ChannelTerms terms, PeerId peer, ulong deposit, DateTimeOffset now) => new()
    {
        Channel = new ChannelContract(terms).Address.Id,
        Peer = peer,
        Payout = terms.Payout,
        ProviderKey = terms.ProviderKey,
        CodeHash = ChannelContract.CodeHash,
        PayKey = terms.PayKey,
        Client = terms.Client,
        Challenge = terms.Challenge,
        OpenBefore = terms.OpenBefore,
        ExpiresAt = terms.ExpiresAt,
        GlobalId = terms.GlobalId,
        Salt = terms.Salt,
        CreatedAt = now,
        Deposit = deposit,
    };

    public ChannelTerms Terms => new(Client, PayKey, Payout, ProviderKey, Challenge, OpenBefore, ExpiresAt, GlobalId, Salt);
}
