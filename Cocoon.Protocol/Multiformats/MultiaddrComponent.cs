namespace Cocoon.Protocol.Multiformats;

/// <summary>One part of a multiaddr.</summary>
/// <param name="Value">Its text form; empty for protocols without a value.</param>
public readonly record struct MultiaddrComponent(MultiaddrProtocol Protocol, string Value);
