using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.Sending;

/// <summary>A signed external under way. Its bytes never change: re-sending is sending these.</summary>
/// <param name="Requests">In the order of their messages.</param>
/// <param name="Boc">The external message as signed.</param>
/// <param name="NormalizedHash">By which the transaction is found.</param>
/// <param name="ValidUntil">Chain time after which the wallet refuses it.</param>
/// <param name="LastBefore">The wallet's last transaction when it was signed: the search for ours ends there.</param>
internal sealed record OutboxBatch(
    IReadOnlyList<OutboxRequest> Requests, byte[] Boc, CellHash NormalizedHash, uint Seqno, uint ValidUntil, TransactionId LastBefore)
{
    /// <summary>Externals signed before for the same requests and sequence number, taken for expired. Should one happen all the same, it is ours.</summary>
    public IReadOnlyList<CellHash> Earlier { get; init; } = [];

    /// <summary>What is kept of a request when this is given up: these externals and those before them.</summary>
    /// <param name="request">One of the requests.</param>
    /// <param name="most">Hashes to keep.</param>
    public RefusedExternals RefusedFor(OutboxRequest request, int most)
    {
        IEnumerable<CellHash> hashes = [.. request.Refused?.Hashes ?? [], .. Earlier, NormalizedHash];
        return new RefusedExternals([.. hashes.TakeLast(most)], Math.Max(Seqno, request.Refused?.Seqno ?? 0), request.Refused?.LastBefore ?? LastBefore);
    }

    public bool IsOurs(CellHash normalizedHash) => normalizedHash == NormalizedHash || Earlier.Contains(normalizedHash);
}
