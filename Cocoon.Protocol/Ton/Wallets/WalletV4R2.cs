using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Protocol.Ton.Wallets;

/// <summary>Wallet v4r2: up to 4 messages in an external. Its id does not name the network.</summary>
internal sealed class WalletV4R2 : WalletContract
{
    /// <summary>The usual wallet id, for workchain 0.</summary>
    public const uint DefaultWalletId = 698_983_191;

    private static readonly Cell s_code = BocReader.ReadSingle(Convert.FromBase64String(
        "te6ccgECFAEAAtQAART/APSkE/S88sgLAQIBIAIDAgFIBAUE+PKDCNcYINMf0x/THwL4I7vyZO1E0NMf0x/T//QE0VFDuvKhUVG68qIF+QFUEGT5EPKj"
        + "+AAkpMjLH1JAyx9SMMv/UhD0AMntVPgPAdMHIcAAn2xRkyDXSpbTB9QC+wDoMOAhwAHjACHAAuMAAcADkTDjDQOkyMsfEssfy/8QERITAubQAdDTAyFx"
        + "sJJfBOAi10nBIJJfBOAC0x8hghBwbHVnvSKCEGRzdHK9sJJfBeAD+kAwIPpEAcjKB8v/ydDtRNCBAUDXIfQEMFyBAQj0Cm+hMbOSXwfgBdM/yCWCEHBs"
        + "dWe6kjgw4w0DghBkc3RyupJfBuMNBgcCASAICQB4AfoA9AQw+CdvIjBQCqEhvvLgUIIQcGx1Z4MesXCAGFAEywUmzxZY+gIZ9ADLaRfLH1Jgyz8gyYBA"
        + "+wAGAIpQBIEBCPRZMO1E0IEBQNcgyAHPFvQAye1UAXKwjiOCEGRzdHKDHrFwgBhQBcsFUAPPFiP6AhPLassfyz/JgED7AJJfA+ICASAKCwBZvSQrb2om"
        + "hAgKBrkPoCGEcNQICEekk30pkQzmkD6f+YN4EoAbeBAUiYcVnzGEAgFYDA0AEbjJftRNDXCx+AA9sp37UTQgQFA1yH0BDACyMoHy//J0AGBAQj0Cm+hM"
        + "YAIBIA4PABmtznaiaEAga5Drhf/AABmvHfaiaEAQa5DrhY/AAG7SB/oA1NQi+QAFyMoHFcv/ydB3dIAYyMsFywIizxZQBfoCFMtrEszMyXP7AMhAFIEB"
        + "CPRR8qcCAHCBAQjXGPoA0z/IVCBHgQEI9FHyp4IQbm90ZXB0gBjIywXLAlAGzxZQBPoCFMtqEssfyz/Jc/sAAgBsgQEI1xj6ANM/MFIkgQEI9Fnyp4IQ"
        + "ZHN0cnB0gBjIywXLAlAFzxZQA/oCE8tqyx8Syz/Jc/sAAAr0AMntVA=="));

    public WalletV4R2(Ed25519PublicKey publicKey, int workchain = 0, uint? walletId = null)
        : base(publicKey, Init(publicKey, walletId ?? (uint)(DefaultWalletId + workchain)), workchain) =>
        WalletId = walletId ?? (uint)(DefaultWalletId + workchain);

    public override string Version => "v4r2";

    public override int MaxTransfers => 4;

    public uint WalletId { get; }

    public override uint ReadSeqno(Cell data) => data.BeginParse().LoadUInt32();

    public override Cell CreateTransferBody(Ed25519PrivateKey key, uint seqno, uint validUntil, IReadOnlyList<WalletTransfer> transfers)
    {
        CheckTransfers(key, transfers);
        CellBuilder unsigned = new CellBuilder().StoreUInt(WalletId, 32).StoreUInt(validUntil, 32).StoreUInt(seqno, 32).StoreUInt(0, 8);
        foreach (WalletTransfer transfer in transfers)
        {
            unsigned.StoreUInt((byte)transfer.Mode, 8).StoreReference(transfer.Message);
        }

        return new CellBuilder().StoreBytes(Sign(key, unsigned)).StoreCell(unsigned.Build()).Build();
    }

    protected override bool TryReadSigned(CellSlice body, out Cell unsigned, out byte[] signature, out uint seqno)
    {
        signature = body.LoadBytes(Ed25519.SignatureSize);
        unsigned = body.RemainderToCell();
        CellSlice signed = unsigned.BeginParse();
        bool isOurs = signed.LoadUInt32() == WalletId;
        signed.Skip(32);
        seqno = signed.LoadUInt32();
        return isOurs;
    }

    private static StateInit Init(Ed25519PublicKey publicKey, uint walletId) =>
        new(s_code, new CellBuilder().StoreUInt(0, 32).StoreUInt(walletId, 32).StoreBytes(publicKey.Bytes).StoreBit(false).Build());
}
