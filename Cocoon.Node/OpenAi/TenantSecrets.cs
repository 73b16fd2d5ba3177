using System.Security.Cryptography;
using System.Text;

namespace Cocoon.Node.OpenAi;

/// <summary>
/// The secret that keys an application's prefix cache inside enclaves. Applications that name a key or a user get their own,
/// so that one user's prompt never speeds up another's; it is random per process and leaves it only sealed.
/// </summary>
internal sealed class TenantSecrets
{
    private readonly byte[] _root = RandomNumberGenerator.GetBytes(32);

    /// <param name="identity">Name of the application.</param>
    public byte[] For(string identity, string? user) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, _root, 32, salt: [], info: Encoding.UTF8.GetBytes($"cocoon/tenant/1\0{identity}\n{user}"));
}
