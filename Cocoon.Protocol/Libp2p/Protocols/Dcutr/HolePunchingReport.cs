namespace Cocoon.Protocol.Libp2p.Protocols.Dcutr;

/// <summary>What became of relayed connections that were to be upgraded.</summary>
/// <param name="Upgraded">Now direct.</param>
/// <param name="GivenUp">Still relayed after all attempts that we led.</param>
public sealed record HolePunchingReport(long Upgraded, long GivenUp);
