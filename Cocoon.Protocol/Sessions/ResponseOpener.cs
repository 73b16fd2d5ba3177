using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;

namespace Cocoon.Protocol.Sessions;

/// <summary>The client's side of the response stream. Any chunk that is not the next one as sealed ends it for good.</summary>
/// <remarks>Not thread-safe. The ephemeral key is erased with the first chunk, everything else on disposal.</remarks>
internal sealed class ResponseOpener : IDisposable
{
    private readonly HpkeSuite _suite;
    private readonly byte[] _encapsulation;
    private readonly SecretBytes _exported;
    private readonly X25519PrivateKey _ephemeral;
    private readonly byte[] _baseNonce = new byte[HpkeAead.NonceSize];
    private HpkeAead? _aead;
    private ulong _sequence;
    private bool _failed;

    /// <param name="ephemeral">Taken over.</param>
    internal ResponseOpener(HpkeSuite suite, HpkeContext context, byte[] encapsulation, X25519PrivateKey ephemeral)
    {
        _suite = suite;
        _encapsulation = encapsulation;
        _exported = ResponseKeys.Export(context);
        _ephemeral = ephemeral;
    }

    /// <summary>The final chunk was opened: nothing is missing.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>The whole frames inside; <c>null</c> when the chunk is not the next one, after which nothing opens.</summary>
    public byte[]? TryOpen(ReadOnlySpan<byte> chunk)
    {
        byte[]? frames = IsComplete || _failed ? null : Open(chunk);
        _failed |= frames is null;
        return frames;
    }

    public void Dispose()
    {
        _failed = true;
        _aead?.Dispose();
        _exported.Dispose();
        _ephemeral.Dispose();
        CryptographicOperations.ZeroMemory(_baseNonce);
    }

    private byte[]? Open(ReadOnlySpan<byte> chunk)
    {
        bool first = _sequence == 0;
        int head = 1 + (first ? ResponseKeys.NonceSize + X25519PrivateKey.Size : 0);
        int plain = chunk.Length - head - HpkeAead.TagSize;
        if (plain is <= 0 or > ResponseShape.FrameSize * ResponseShape.MaxFramesPerChunk || plain % ResponseShape.FrameSize != 0)
        {
            return null;
        }

        ChunkFlags flags = (ChunkFlags)chunk[0];
        bool isFinal = flags.HasFlag(ChunkFlags.Final);
        if (((flags & ~ChunkFlags.Final) == ChunkFlags.First) != first
            || (flags & ~(ChunkFlags.First | ChunkFlags.Final)) != 0
            || (first && !Begin(chunk[1..head])))
        {
            return null;
        }

        byte[] frames = new byte[plain];
        Span<byte> nonce = stackalloc byte[HpkeAead.NonceSize];
        HpkeContext.Nonce(_baseNonce, _sequence, nonce);
        if (!_aead!.TryDecrypt(nonce, chunk[head..], frames, isFinal ? "final"u8 : []))
        {
            return null;
        }

        _sequence = checked(_sequence + 1);
        IsComplete = isFinal;
        return frames;
    }

    private bool Begin(ReadOnlySpan<byte> opening)
    {
        ReadOnlySpan<byte> nonce = opening[..ResponseKeys.NonceSize];
        ReadOnlySpan<byte> enclaveEphemeral = opening[ResponseKeys.NonceSize..];
        Span<byte> agreed = stackalloc byte[X25519PrivateKey.Size];
        if (!_ephemeral.TryAgree(enclaveEphemeral, agreed))
        {
            return false;
        }

        _aead = ResponseKeys.Derive(_suite, _exported.Span, _encapsulation, nonce, enclaveEphemeral, agreed, _baseNonce);
        CryptographicOperations.ZeroMemory(agreed);
        _ephemeral.Dispose();
        return true;
    }
}
