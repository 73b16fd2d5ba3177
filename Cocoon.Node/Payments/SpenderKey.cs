using System.Security.Cryptography;
using System.Text;

namespace Cocoon.Node.Payments;

/// <summary>Which application spends: a digest of the key in its requests, so that limits per key need no key on the disk.</summary>
internal static class SpenderKey
{
    private const int Bytes = 16;

    /// <param name="authorization">The Authorization header, or the id of the application's key.</param>
    /// <returns><c>null</c> for requests without one.</returns>
    public static string? Of(string? authorization) => string.IsNullOrWhiteSpace(authorization)
        ? null
        : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes("cocoon/spender/1\0" + authorization.Trim())).AsSpan(0, Bytes));
}
