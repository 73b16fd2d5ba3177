using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Wallets;

namespace Cocoon.Protocol.Ton.Sending;

/// <summary>Puts requests into the wallet's next external message, and signs it.</summary>
/// <param name="key">Owned by the caller.</param>
internal sealed class ExternalSigner(WalletContract wallet, Ed25519PrivateKey key, WalletSenderOptions options)
{
    /// <summary>The network's limit (configuration parameter 43).</summary>
    private const int MaxExternalBytes = 65_535;

    /// <summary>As many of those that wait, from the front, as the balance carries and one external holds.</summary>
    /// <param name="refusal">Why not even the first of them can leave, where the result is <c>null</c>.</param>
    public OutboxBatch? TrySign(IReadOnlyList<OutboxRequest> waiting, uint seqno, TonAccount account, out string? refusal)
    {
        refusal = null;
        List<OutboxRequest> chosen = Affordable(waiting, account.Balance);
        if (chosen.Count == 0)
        {
            refusal = $"not sent: the wallet holds {account.Balance} nanoton, the message needs {ValueOf(waiting[0])} and {options.FeeReserve} for fees";
            return null;
        }

        OutboxBatch batch = Sign(chosen, seqno, account);
        while (batch.Boc.Length > MaxExternalBytes && chosen.Count > 1)
        {
            chosen.RemoveRange(chosen.Count / 2, chosen.Count - (chosen.Count / 2));
            batch = Sign(chosen, seqno, account);
        }

        if (batch.Boc.Length > MaxExternalBytes)
        {
            refusal = $"not sent: its message makes an external of {batch.Boc.Length} bytes, the network takes {MaxExternalBytes}";
            return null;
        }

        return batch;
    }

    /// <param name="account">As it was read just now: the external is valid from its time on.</param>
    public OutboxBatch Sign(IReadOnlyList<OutboxRequest> requests, uint seqno, TonAccount account)
    {
        uint validUntil = account.SyncTime + options.ValidForSeconds;
        ExternalMessage external = wallet.CreateExternal(
            key, seqno, validUntil, [.. requests.Select(request => new WalletTransfer(request.Message, request.Mode | SendMode.IgnoreErrors))], deploy: !account.IsActive);
        return new OutboxBatch(requests, BocWriter.Write(external.ToCell()), external.NormalizedHash(), seqno, validUntil, account.LastTransaction);
    }

    /// <remarks>Failed sends are skipped in silence by the wallet, so they are not tried.</remarks>
    private List<OutboxRequest> Affordable(IReadOnlyList<OutboxRequest> waiting, ulong balance)
    {
        List<OutboxRequest> affordable = [];
        UInt128 needed = options.FeeReserve;
        foreach (OutboxRequest request in waiting)
        {
            // What takes everything leaves nothing for those beside it: it goes alone.
            bool takesAll = request.Mode.HasFlag(SendMode.CarryAllBalance);
            needed += ValueOf(request);
            if (needed > balance || (takesAll && affordable.Count > 0))
            {
                break;
            }

            affordable.Add(request);
            if (takesAll)
            {
                break;
            }
        }

        return affordable;
    }

    private static ulong ValueOf(OutboxRequest request) =>
        request.Mode.HasFlag(SendMode.CarryAllBalance) ? 0 : TonMessage.Read(request.Message).Value;
}
