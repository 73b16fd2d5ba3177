using Cocoon.Protocol.Cryptography;

namespace Cocoon.Node.Serving;

/// <summary>Where a provider is paid and the key that consents to cooperative closing.</summary>
/// <param name="Address">Raw form, <c>workchain:hex</c>.</param>
internal sealed record PayoutTerms(string Address, Ed25519PublicKey ProviderKey);
