namespace Cocoon.Protocol.PrivacyRelay;

/// <summary>Names and bounds of <c>/cocoon/relay/1.0.0</c>.</summary>
internal static class RelayProtocol
{
    public const string Id = "/cocoon/relay/1.0.0";

    /// <summary>The same under another name that only peers announce which forward for others: how clients find them.</summary>
    public const string ForwardId = "/cocoon/relay/forward/1.0.0";

    /// <summary>Bytes of an Open or Opened.</summary>
    public const int MaxMessage = 4096;

    /// <summary>Addresses that an Open may carry as hints.</summary>
    public const int MaxAddresses = 8;

    /// <summary>Relays that a circuit of ours may have; each adds a round trip to its opening.</summary>
    public const int MaxRelays = 2;
}
