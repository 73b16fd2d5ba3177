using System.Text;
using Cocoon.Protocol.Cryptography;

namespace Cocoon.Protocol.Offers;

/// <summary>Domain-separated signatures over exact protobuf bytes: Ed25519(key, domain ‖ 0x00 ‖ bytes).</summary>
internal static class SignedMessage
{
    public const string OfferDomain = "cocoon/offer/v1";
    public const string DirectoryDomain = "cocoon/directory/v1";

    public static byte[] Sign(string domain, ReadOnlySpan<byte> message, Ed25519PrivateKey key) => key.Sign(ToBeSigned(domain, message));

    public static bool Verify(string domain, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature, Ed25519PublicKey key) =>
        key.Verify(ToBeSigned(domain, message), signature);

    private static byte[] ToBeSigned(string domain, ReadOnlySpan<byte> message)
    {
        byte[] data = new byte[domain.Length + 1 + message.Length];
        Encoding.ASCII.GetBytes(domain, data);
        message.CopyTo(data.AsSpan(domain.Length + 1));
        return data;
    }
}
