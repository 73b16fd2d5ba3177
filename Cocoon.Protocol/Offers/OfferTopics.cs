using System.Security.Cryptography;

namespace Cocoon.Protocol.Offers;

/// <summary>Names under which a model's offers travel and its providers are found.</summary>
internal static class OfferTopics
{
    public const string FetchProtocol = "/cocoon/offers/1.0.0";

    /// <summary>Gossip topic of one model: the first 8 bytes of its id, so that light clients hear only the models they use.</summary>
    public static string ForModel(string network, ReadOnlySpan<byte> modelId) => $"/cocoon/{network}/offers/1/{Convert.ToHexStringLower(modelId[..8])}";

    public static string Directory(string network) => $"/cocoon/{network}/models/1";

    public static string KademliaProtocol(string network) => $"/cocoon/{network}/kad/1.0.0";

    /// <summary>DHT key of the providers of a model: the sha2-256 multihash of SHA-256("cocoon/model/1\0" ‖ model id).</summary>
    public static byte[] ProviderKey(ReadOnlySpan<byte> modelId)
    {
        byte[] content = [.. "cocoon/model/1\0"u8, .. modelId];
        return [0x12, 0x20, .. SHA256.HashData(content)];
    }
}
