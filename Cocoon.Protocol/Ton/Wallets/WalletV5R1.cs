using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Protocol.Ton.Wallets;

/// <summary>Wallet v5r1: up to 255 messages in an external; its id is bound to one network.</summary>
internal sealed class WalletV5R1 : WalletContract
{
    private const uint SignedExternal = 0x7369676E;
    private const uint SignedInternal = 0x73696E74;
    private const uint ActionSendMessage = 0x0EC3C86D;

    private static readonly Cell s_code = BocReader.ReadSingle(Convert.FromHexString(
        "b5ee9c7241021401000281000114ff00f4a413f4bcf2c80b01020120020d020148030402dcd020d749c120915b8f6320d70b1f2082106578746ebd21"
        + "821073696e74bdb0925f03e082106578746eba8eb48020d72101d074d721fa4030fa44f828fa443058bd915be0ed44d0810141d721f4058307f40e6f"
        + "a1319130e18040d721707fdb3ce03120d749810280b99130e070e2100f020120050c020120060902016e07080019adce76a2684020eb90eb85ffc000"
        + "19af1df6a2684010eb90eb858fc00201480a0b0017b325fb51341c75c875c2c7e00011b262fb513435c280200019be5f0f6a2684080a0eb90fa02c01"
        + "02f20e011e20d70b1f82107369676ebaf2e08a7f0f01e68ef0eda2edfb218308d722028308d723208020d721d31fd31fd31fed44d0d200d31f20d31f"
        + "d3ffd70a000af90140ccf9109a28945f0adb31e1f2c087df02b35007b0f2d0845125baf2e0855036baf2e086f823bbf2d0882292f800de01a47fc8ca"
        + "00cb1f01cf16c9ed542092f80fde70db3cd81003f6eda2edfb02f404216e926c218e4c0221d73930709421c700b38e2d01d72820761e436c20d749c0"
        + "08f2e09320d74ac002f2e09320d71d06c712c2005230b0f2d089d74cd7393001a4e86c128407bbf2e093d74ac000f2e093ed55e2d20001c000915be0"
        + "ebd72c08142091709601d72c081c12e25210b1e30f20d74a111213009601fa4001fa44f828fa443058baf2e091ed44d0810141d718f405049d7fc8ca"
        + "0040048307f453f2e08b8e14038307f45bf2e08c22d70a00216e01b3b0f2d090e2c85003cf1612f400c9ed54007230d72c08248e2d21f2e092d200ed"
        + "44d0d2005113baf2d08f54503091319c01810140d721d70a00f2e08ee2c8ca0058cf16c9ed5493f2c08de20010935bdb31e1d74cd0b4d6c35e"));

    /// <param name="globalId">The network: −239 main, −3 test, the devnet's own.</param>
    public WalletV5R1(Ed25519PublicKey publicKey, int globalId, int workchain = 0, int subwallet = 0)
        : base(publicKey, Init(publicKey, IdOf(globalId, workchain, subwallet)), workchain) =>
        WalletId = IdOf(globalId, workchain, subwallet);

    public override string Version => "v5r1";

    public override int MaxTransfers => 255;

    public uint WalletId { get; }

    public override uint ReadSeqno(Cell data)
    {
        CellSlice slice = data.BeginParse();
        slice.Skip(1);
        return slice.LoadUInt32();
    }

    /// <remarks>The contract refuses externals whose actions lack mode +2, so it is added: a failed send is then skipped in silence.</remarks>
    public override Cell CreateTransferBody(Ed25519PrivateKey key, uint seqno, uint validUntil, IReadOnlyList<WalletTransfer> transfers)
    {
        CheckTransfers(key, transfers);
        Cell actions = Cell.Empty;
        foreach (WalletTransfer transfer in transfers)
        {
            actions = new CellBuilder()
                .StoreReference(actions)
                .StoreUInt(ActionSendMessage, 32)
                .StoreUInt((byte)(transfer.Mode | SendMode.IgnoreErrors), 8)
                .StoreReference(transfer.Message)
                .Build();
        }

        CellBuilder body = new CellBuilder()
            .StoreUInt(SignedExternal, 32).StoreUInt(WalletId, 32).StoreUInt(validUntil, 32).StoreUInt(seqno, 32)
            .StoreMaybeReference(actions)
            .StoreBit(false);
        return body.StoreBytes(Sign(key, body)).Build();
    }

    /// <remarks>The signature is at the end; a signed body may also come in an internal message.</remarks>
    protected override bool TryReadSigned(CellSlice body, out Cell unsigned, out byte[] signature, out uint seqno)
    {
        int length = body.RemainingBits - (8 * Ed25519.SignatureSize);
        if (length < 4 * 32)
        {
            throw TonException.Malformed("a signed body is too short");
        }

        byte[] bits = new byte[(length + 7) / 8];
        body.LoadBits(bits, length);
        signature = body.LoadBytes(Ed25519.SignatureSize);
        CellBuilder builder = new CellBuilder().StoreBits(bits, length);
        while (body.RemainingReferences > 0)
        {
            builder.StoreReference(body.LoadReference());
        }

        unsigned = builder.Build();
        CellSlice signed = unsigned.BeginParse();
        bool isOurs = signed.LoadUInt32() is SignedExternal or SignedInternal && signed.LoadUInt32() == WalletId;
        signed = unsigned.BeginParse();
        signed.Skip(3 * 32);
        seqno = signed.LoadUInt32();
        return isOurs;
    }

    /// <summary>global_id XOR (client context 1 · workchain int8 · version 0 uint8 · subwallet uint15).</summary>
    private static uint IdOf(int globalId, int workchain, int subwallet)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)subwallet, 0x7FFFu, nameof(subwallet));
        uint context = 0x8000_0000u | ((uint)(byte)checked((sbyte)workchain) << 23) | (uint)subwallet;
        return unchecked((uint)globalId) ^ context;
    }

    private static StateInit Init(Ed25519PublicKey publicKey, uint walletId) =>
        new(s_code, new CellBuilder()
            .StoreBit(true).StoreUInt(0, 32).StoreUInt(walletId, 32).StoreBytes(publicKey.Bytes).StoreBit(false).Build());
}
