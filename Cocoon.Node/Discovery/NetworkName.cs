namespace Cocoon.Node.Discovery;

/// <summary>Name of the network as protocol ids and topics carry it: <c>devnet</c>, <c>testnet</c>, <c>mainnet</c>.</summary>
internal sealed record NetworkName(string Value);
