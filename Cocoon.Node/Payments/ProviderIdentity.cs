using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Payments;

/// <summary>What makes a channel ours: where it pays, whose consent closes it, and on which network.</summary>
/// <param name="ProviderKey">Per node, never shared: it consents to cooperative closes.</param>
internal sealed record ProviderIdentity(TonAddress Payout, Ed25519PrivateKey ProviderKey, int GlobalId);
