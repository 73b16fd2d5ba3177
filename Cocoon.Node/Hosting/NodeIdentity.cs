using System.Security.Cryptography;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;

namespace Cocoon.Node.Hosting;

/// <summary>The peer key of a node. Providers and bootstrap nodes keep theirs; a light client takes a fresh one at each start, so that its runs cannot be linked.</summary>
internal sealed class NodeIdentity : IDisposable
{
    public const string FileName = "peer.key";

    private NodeIdentity(Ed25519PrivateKey key)
    {
        Key = key;
        Peer = PeerId.FromPublicKey(key.PublicKey);
    }

    public Ed25519PrivateKey Key { get; }

    public PeerId Peer { get; }

    public static NodeIdentity Ephemeral() => new(Ed25519PrivateKey.Generate());

    /// <exception cref="StorageException">The file can be read by others, or is no peer key.</exception>
    public static NodeIdentity Load(DataDirectory directory)
    {
        string path = directory.File(FileName);
        if (!File.Exists(path))
        {
            Ed25519PrivateKey fresh = Ed25519PrivateKey.Generate();
            byte[] seed = new byte[Ed25519PrivateKey.SeedSize];
            fresh.ExportSeed(seed);
            PrivateFile.Write(path, seed);
            CryptographicOperations.ZeroMemory(seed);
            return new NodeIdentity(fresh);
        }

        byte[] stored = PrivateFile.Read(path, Ed25519PrivateKey.SeedSize);
        try
        {
            return stored.Length == Ed25519PrivateKey.SeedSize
                ? new NodeIdentity(Ed25519PrivateKey.FromSeed(stored))
                : throw new StorageException(StorageErrorCode.Corrupt, $"{path} is no peer key.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(stored);
        }
    }

    public void Dispose() => Key.Dispose();
}
