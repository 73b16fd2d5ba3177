using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;

namespace Cocoon.Protocol.Sessions;

/// <summary>The enclave's side of the response stream: whole plaintext frames in, chunks out, with an explicit last one.</summary>
/// <remarks>Not thread-safe. Both ephemeral secrets are gone after construction.</remarks>
internal sealed class ResponseSealer : IDisposable
{
    private readonly HpkeAead _aead;
    private readonly byte[] _baseNonce = new byte[HpkeAead.NonceSize];
    private readonly byte[] _opening;
    private ulong _sequence;
    private bool _finished;

    /// <exception cref="SessionException">The client's ephemeral key has low order.</exception>
    public ResponseSealer(HpkeSuite suite, HpkeContext context, ReadOnlySpan<byte> encapsulation)
    {
        Span<byte> nonce = stackalloc byte[ResponseKeys.NonceSize];
        RandomNumberGenerator.Fill(nonce);
        using X25519PrivateKey ephemeral = X25519PrivateKey.Generate();
        Span<byte> agreed = stackalloc byte[X25519PrivateKey.Size];
        if (!ephemeral.TryAgree(suite.Kem.X25519Share(encapsulation), agreed))
        {
            throw new SessionException(SessionErrorCode.Undecryptable, "sealed request");
        }

        using SecretBytes exported = ResponseKeys.Export(context);
        _aead = ResponseKeys.Derive(suite, exported.Span, encapsulation, nonce, ephemeral.PublicKey, agreed, _baseNonce);
        CryptographicOperations.ZeroMemory(agreed);
        _opening = [.. nonce, .. ephemeral.PublicKey];
    }

    public bool IsFinished => _finished;

    /// <param name="frames">One or more whole frames.</param>
    /// <exception cref="InvalidOperationException">After the final chunk.</exception>
    public byte[] Seal(ReadOnlySpan<byte> frames, bool isFinal)
    {
        if (_finished)
        {
            throw new InvalidOperationException("the response is complete");
        }

        if (frames.IsEmpty || frames.Length % ResponseShape.FrameSize != 0)
        {
            throw new ArgumentException("whole frames only", nameof(frames));
        }

        bool first = _sequence == 0;
        int head = 1 + (first ? _opening.Length : 0);
        byte[] chunk = new byte[head + frames.Length + HpkeAead.TagSize];
        chunk[0] = (byte)((first ? ChunkFlags.First : 0) | (isFinal ? ChunkFlags.Final : 0));
        if (first)
        {
            _opening.CopyTo(chunk, 1);
        }

        Span<byte> nonce = stackalloc byte[HpkeAead.NonceSize];
        HpkeContext.Nonce(_baseNonce, _sequence, nonce);
        _aead.Encrypt(nonce, frames, chunk.AsSpan(head), isFinal ? "final"u8 : []);
        _sequence = checked(_sequence + 1);
        _finished = isFinal;
        return chunk;
    }

    public void Dispose()
    {
        _finished = true;
        _aead.Dispose();
        CryptographicOperations.ZeroMemory(_baseNonce);
    }
}
