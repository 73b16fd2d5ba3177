using System.Security.Cryptography;

namespace Cocoon.Protocol.Cryptography;

/// <summary>Bytes of a secret on the pinned heap (the collector leaves no copies), zeroed when disposed.</summary>
/// <remarks>One owner, who disposes it. Never formatted: <see cref="ToString"/> says nothing.</remarks>
internal sealed class SecretBytes : IDisposable
{
    private static Func<nint, nint, bool>? _lockPages;

    private readonly byte[] _bytes;
    private bool _disposed;

    public SecretBytes(ReadOnlySpan<byte> value)
        : this(value.Length) => value.CopyTo(_bytes);

    private unsafe SecretBytes(int length)
    {
        _bytes = GC.AllocateArray<byte>(length, pinned: true);
        if (_lockPages is { } lockPages)
        {
            fixed (byte* address = _bytes)
            {
                lockPages((nint)address, length);
            }
        }
    }

    /// <summary>
    /// Keeps the pages of secrets made from now on out of swap and dumps by <paramref name="lockPages"/> (address, length; pinned memory).
    /// <c>false</c>, and nothing changes, when it fails on a first try.
    /// </summary>
    public static unsafe bool LockPages(Func<nint, nint, bool> lockPages)
    {
        byte[] probe = GC.AllocateArray<byte>(32, pinned: true);
        fixed (byte* address = probe)
        {
            if (!lockPages((nint)address, probe.Length))
            {
                return false;
            }
        }

        _lockPages = lockPages;
        return true;
    }

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
