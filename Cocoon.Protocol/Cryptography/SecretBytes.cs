using System.Security.Cryptography;

namespace Cocoon.Protocol.Cryptography;

/// <summary>Bytes of a secret on the pinned heap (the collector leaves no copies), zeroed when disposed.</summary>
/// <remarks>One owner, who disposes it. Never formatted: <see cref="ToString"/> says nothing.</remarks>
internal sealed class SecretBytes : IDisposable
{
    private readonly byte[] _bytes;
    private bool _disposed;

    public SecretBytes(ReadOnlySpan<byte> value)
    {
        _bytes = GC.AllocateArray<byte>(value.Length, pinned: true);
        value.CopyTo(_bytes);
    }

    private SecretBytes(int length) => _bytes = GC.AllocateArray<byte>(length, pinned: true);

    public static SecretBytes Random(int length)
    {
        SecretBytes secret = new(length);
        RandomNumberGenerator.Fill(secret._bytes);
        return secret;
    }

    public ReadOnlySpan<byte> Span
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _bytes;
        }
    }

    public void Dispose()
    {
        _disposed = true;
        CryptographicOperations.ZeroMemory(_bytes);
    }

    public override string ToString() => "SecretBytes";
}
