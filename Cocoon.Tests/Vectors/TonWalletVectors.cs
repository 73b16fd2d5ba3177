using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Wallets;

namespace Cocoon.Tests.Vectors;

/// <summary>Answers the wallet vectors: identity of the wallet, messages, body and external of one transfer.</summary>
internal static class TonWalletVectors
{
    public static JsonObject Answer(JsonNode input)
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(TonVectorAnswers.Bytes(input["seed"]));
        int workchain = (int)input["workchain"]!;
        int subwallet = (int)input["subwallet"]!;
        bool v5 = (string)input["version"]! == "v5r1";
        WalletContract wallet = v5
            ? new WalletV5R1(key.PublicKey, (int)input["network"]!, workchain, subwallet)
            : new WalletV4R2(key.PublicKey, workchain, (uint)(WalletV4R2.DefaultWalletId + workchain + subwallet));
        SendMode mode = (SendMode)(int)input["send_mode"]!;
        List<WalletTransfer> transfers = [.. input["messages"]!.AsArray().Select(message => new WalletTransfer(Message(message!), mode))];
        uint seqno = (uint)input["seqno"]!;
        ExternalMessage external = wallet.CreateExternal(key, seqno, (uint)input["valid_until"]!, transfers, deploy: seqno == 0);
        Cell cell = external.ToCell();
        return new()
        {
            ["wallet_id"] = v5 ? ((WalletV5R1)wallet).WalletId : ((WalletV4R2)wallet).WalletId,
            ["address"] = wallet.Address.ToString(),
            ["init_hash"] = wallet.StateInit.Hash.ToString(),
            ["out_message_hashes"] = new JsonArray([.. transfers.Select(transfer => (JsonNode)transfer.Message.Hash.ToString())]),
            ["body_hash"] = external.Body.Hash.ToString(),
            ["body_boc"] = TonVectorAnswers.Boc(external.Body),
            ["external_hash"] = cell.Hash.ToString(),
            ["external_boc"] = TonVectorAnswers.Boc(cell),
            ["normalized_hash"] = external.NormalizedHash().ToString(),
        };
    }

    private static Cell Message(JsonNode message)
    {
        Cell body = message["body_boc"] is { } boc
            ? TonVectorAnswers.ReadCell(boc)
            : message["comment"] is { } comment ? InternalMessage.Comment((string)comment!) : Cell.Empty;
        return new InternalMessage(
            TonAddress.Parse((string)message["to"]!),
            ulong.Parse((string)message["value"]!, CultureInfo.InvariantCulture),
            (bool)message["bounce"]!,
            body)
        {
            StateInit = message["init"] is { } init
                ? new StateInit(TonVectorAnswers.ReadCell(init["code_boc"]), TonVectorAnswers.ReadCell(init["data_boc"]))
                : null,
        }.ToCell();
    }
}
