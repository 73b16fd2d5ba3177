using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Wallets;

namespace Cocoon.Node.Wallets;

/// <summary>An unlocked wallet: its key and its contract (v5r1, bound to one network).</summary>
/// <remarks>Owns the key. Further keys of the node are derived from it, so that the 24 words restore everything that holds money.</remarks>
internal sealed class WalletKey(Ed25519PrivateKey key, int globalId) : IDisposable
{
    public Ed25519PrivateKey Key { get; } = key;

    public WalletV5R1 Contract { get; } = new(key.PublicKey, globalId);

    public TonAddress Address => Contract.Address;

    /// <summary>The key that consents to cooperative closes: per node, never shared, and not the wallet's.</summary>
    public Ed25519PrivateKey DeriveProviderKey() => Key.Derive("cocoon/provider-key/v1\0"u8);

    public void Dispose() => Key.Dispose();

    public override string ToString() => $"wallet {Address}";
}
