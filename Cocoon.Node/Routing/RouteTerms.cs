namespace Cocoon.Node.Routing;

/// <summary>What every offer must agree with, whatever the request: the network and the contract code we trust.</summary>
/// <param name="ChannelCodeHashes">64 lower-case hexadecimal digits each.</param>
internal sealed record RouteTerms(IReadOnlySet<string> ChannelCodeHashes, int GlobalId);
