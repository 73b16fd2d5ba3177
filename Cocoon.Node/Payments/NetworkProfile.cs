using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.LiteClient;

namespace Cocoon.Node.Payments;

/// <summary>One TON network and what of Cocoon lives on it.</summary>
/// <param name="Name">Part of topics, DHT protocol ids and data directories.</param>
/// <param name="GlobalId">Goes into wallet ids and channel terms, so that no signature is worth anything on another network.</param>
/// <param name="Endpoints">toncenter-v2 endpoints; empty for devnet, whose port is chosen when it starts.</param>
/// <param name="ChannelCodeHashes">Channel contracts this version knows; others are refused unless the user pins them.</param>
/// <param name="Registry">Raw address, or <c>null</c> where none is published.</param>
/// <param name="RealMoney">Needs the owner's explicit confirmation once.</param>
internal sealed record NetworkProfile(
    string Name,
    int GlobalId,
    IReadOnlyList<Uri> Endpoints,
    IReadOnlyList<CellHash> ChannelCodeHashes,
    string? Registry,
    bool RealMoney)
{
    /// <summary>Lite-servers to read the chain from, with the block to prove it from; HTTP then only fills what they lack.</summary>
    public GlobalConfig? Lite { get; init; }
}
