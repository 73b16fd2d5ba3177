using System.Security.Cryptography;
using Cocoon.Enclave.Attestation;
using Cocoon.Enclave.Inference;

namespace Cocoon.Enclave.Sessions;

/// <summary>The prefix-cache key of a request.</summary>
internal static class TenantKeys
{
    /// <summary>Without a secret nothing is shared with anybody, not even with the same client.</summary>
    public static TenantKey Derive(EnclaveIdentity identity, ReadOnlySpan<byte> tenantSecret)
    {
        if (tenantSecret.IsEmpty)
        {
            return TenantKey.CreateRandom();
        }

        Span<byte> key = stackalloc byte[TenantKey.Length];
        identity.DeriveTenantKey(tenantSecret, key);
        TenantKey tenant = new(key);
        CryptographicOperations.ZeroMemory(key);
        return tenant;
    }
}
