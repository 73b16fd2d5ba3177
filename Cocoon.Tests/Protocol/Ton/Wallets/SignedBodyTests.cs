using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Wallets;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Ton.Wallets;

/// <summary>What shows that a wallet's own key signed a body, and for which number.</summary>
internal sealed class SignedBodyTests
{
    private static readonly WalletTransfer s_transfer =
        new(new InternalMessage(new TonAddress(0, new CellHash(new byte[CellHash.Size])), 1, Bounce: false, InternalMessage.Comment("x")).ToCell(), SendMode.IgnoreErrors);

    [Test]
    public void ReadSignedSeqno_OfWhatTheWalletSigned_IsItsNumber([Values] bool isV5, [Values(0u, 7u, uint.MaxValue)] uint seqno)
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        WalletContract wallet = Wallet(key, isV5);
        Assert.That(wallet.ReadSignedSeqno(wallet.CreateTransferBody(key, seqno, 99, [s_transfer])), Is.EqualTo(seqno));
    }

    [Test]
    public void ReadSignedSeqno_OfAnythingElse_IsNone([Values] bool isV5)
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate(), other = Ed25519PrivateKey.Generate();
        WalletContract wallet = Wallet(key, isV5);
        WalletContract elsewhere = isV5 ? new WalletV5R1(key.PublicKey, TonNetwork.Testnet.GlobalId) : new WalletV4R2(key.PublicKey, walletId: 1);
        Cell own = wallet.CreateTransferBody(key, 7, 99, [s_transfer]);
        Cell[] bodies =
        [
            Wallet(other, isV5).CreateTransferBody(other, 7, 99, [s_transfer]), elsewhere.CreateTransferBody(key, 7, 99, [s_transfer]), Cell.Empty,
            InternalMessage.Comment("hello"), new CellBuilder().StoreReference(own).Build(),
        ];
        foreach (Cell body in bodies)
        {
            Assert.That(wallet.ReadSignedSeqno(body), Is.Null);
        }

        for (int bit = 0; bit < own.BitLength; bit++)
        {
            CellBuilder flipped = new();
            CellSlice slice = own.BeginParse();
            for (int i = 0; i < own.BitLength; i++)
            {
                flipped.StoreBit(slice.LoadBit() ^ (i == bit));
            }

            while (slice.RemainingReferences > 0)
            {
                flipped.StoreReference(slice.LoadReference());
            }

            Assert.That(wallet.ReadSignedSeqno(flipped.Build()), Is.Null, $"bit {bit}");
        }
    }

    private static WalletContract Wallet(Ed25519PrivateKey key, bool isV5) =>
        isV5 ? new WalletV5R1(key.PublicKey, TonNetwork.Devnet.GlobalId) : new WalletV4R2(key.PublicKey);
}
