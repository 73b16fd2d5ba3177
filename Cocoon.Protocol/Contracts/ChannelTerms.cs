using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Contracts;

/// <summary>What client and provider agree on before a channel exists. All of it is in the channel's address.</summary>
/// <param name="Client">Funder: refunds go here; the only one that may start closing or extend.</param>
/// <param name="PayKey">The client's hot key of this one channel; signs vouchers.</param>
/// <param name="Payout">Where the provider's money goes, fixed.</param>
/// <param name="ProviderKey">Consents to a cooperative close.</param>
/// <param name="Challenge">Seconds the provider has to claim after <c>start_close</c>.</param>
/// <param name="OpenBefore">Chain time: opened only up to it, closed only after it.</param>
/// <param name="ExpiresAt">Chain time after which anybody may trigger the refund; 0 = never. The channel's own value can only grow.</param>
/// <param name="GlobalId">The network, so that no signature of one network is worth anything on another.</param>
internal sealed record ChannelTerms(
    TonAddress Client,
    Ed25519PublicKey PayKey,
    TonAddress Payout,
    Ed25519PublicKey ProviderKey,
    uint Challenge,
    uint OpenBefore,
    uint ExpiresAt,
    int GlobalId,
    ulong Salt)
{
    private const int MaxEncodedBytes = 1024;

    /// <summary>A salt that makes the address new.</summary>
    public static ulong RandomSalt() => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));

    /// <summary>The channel's hot key: derived from the wallet's, so that a lost store loses no channel; never the wallet key itself.</summary>
    public static Ed25519PrivateKey DerivePayKey(Ed25519PrivateKey walletKey, Ed25519PublicKey providerKey, int globalId, ulong salt)
    {
        byte[] context = new CellBuilder().StoreBytes("cocoon/channel-pay-key/1\0"u8)
            .StoreBytes(providerKey.Bytes).StoreInt(globalId, 32).StoreUInt(salt, 64).Build().Data.ToArray();
        return walletKey.Derive(context);
    }

    /// <summary>The data cell that the channel is deployed with.</summary>
    public Cell InitialData() =>
        new CellBuilder()
            .StoreBit(false).StoreCoins(0).StoreUInt(0, 32).StoreUInt(ExpiresAt, 32)
            .StoreBytes(PayKey.Bytes).StoreAddress(Payout)
            .StoreReference(new CellBuilder()
                .StoreAddress(Client).StoreBytes(ProviderKey.Bytes).StoreUInt(Challenge, 32).StoreUInt(OpenBefore, 32)
                .StoreInt(GlobalId, 32).StoreUInt(Salt, 64).Build())
            .Build();

    /// <summary>For the wire: the initial data cell as a bag of cells, about 200 bytes.</summary>
    public byte[] Encode() => BocWriter.Write(InitialData(), crc: false);

    /// <summary><c>false</c> for anything that is not the initial data of a channel.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out ChannelTerms? terms)
    {
        terms = null;
        try
        {
            ChannelState state = ChannelState.Read(BocReader.ReadSingle(bytes, new BocLimits { MaxBytes = MaxEncodedBytes, MaxCells = 2, MaxRoots = 1 }));
            if (state is { Opened: false, Claimed: 0, CloseAt: 0 })
            {
                terms = state.Terms;
            }
        }
        catch (TonException)
        {
            return false;
        }

        return terms is not null;
    }
}
