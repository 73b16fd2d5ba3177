using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;

namespace Cocoon.Protocol.Sessions;

/// <summary>What was wrong with the first chunk that was not the next one.</summary>
internal enum ChunkFault
{
    None = 0,

    /// <summary>It opens at no place near the one expected: changed, cut, made up, or of another session.</summary>
    Tampered = 1,

    /// <summary>It belongs further on: what lies between has not come.</summary>
    Dropped = 2,

    /// <summary>It came before.</summary>
    Repeated = 3,

    /// <summary>What <see cref="Dropped"/> missed came after all, behind what should have followed it.</summary>
    Reordered = 4,
}

/// <summary>The client's side of the response stream. Any chunk that is not the next one as sealed ends it for good.</summary>
/// <remarks>
/// Not thread-safe. The ephemeral key is erased with the first chunk, everything else on disposal. A chunk carries no number: what was
/// wrong with one that does not open at its place is found by trying the places near it, once and within <see cref="MaxTrialBytes"/>.
/// </remarks>
internal sealed class ResponseOpener : IDisposable
{
    /// <summary>Places tried in each direction, 25 seconds of steady shape, unless chunks are so long that the bytes run out before.</summary>
    private const int MaxReach = 256;

    private const int MaxTrialBytes = 1 << 20;

    private readonly HpkeSuite _suite;
    private readonly byte[] _encapsulation;
    private readonly SecretBytes _exported;
    private readonly X25519PrivateKey _ephemeral;
    private readonly byte[] _baseNonce = new byte[HpkeAead.NonceSize];
    private readonly byte[] _opening = new byte[ResponseKeys.NonceSize + X25519PrivateKey.Size];
    private HpkeAead? _aead;
    private ulong _sequence;
    private bool _isDisposed;

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

    /// <summary>Why nothing opens any more.</summary>
    public ChunkFault Fault { get; private set; }

    /// <summary>The whole frames inside; <c>null</c> when the chunk is not the next one, after which nothing opens and <see cref="Fault"/> tells why.</summary>
    public byte[]? TryOpen(ReadOnlySpan<byte> chunk)
    {
        if (_isDisposed)
        {
            return null;
        }

        Layout? layout = Layout.Of(chunk);
        if (Fault != ChunkFault.None)
        {
            Fault = Fault == ChunkFault.Dropped && layout is { } late && IsAwaited(late) && Opens(chunk, late, _sequence) ? ChunkFault.Reordered : Fault;
            return null;
        }

        byte[] frames = new byte[layout?.Plain ?? 0];
        if (layout is { } shape && !IsComplete && IsAwaited(shape) && (_sequence > 0 || Begin(chunk)) && Opens(chunk, shape, _sequence, frames))
        {
            _sequence = checked(_sequence + 1);
            IsComplete = shape.IsFinal;
            return frames;
        }

        Fault = Diagnose(chunk, layout);
        return null;
    }

    public void Dispose()
    {
        _isDisposed = true;
        _aead?.Dispose();
        _exported.Dispose();
        _ephemeral.Dispose();
        CryptographicOperations.ZeroMemory(_baseNonce);
    }

    private bool IsAwaited(Layout layout) => layout.IsFirst == (_sequence == 0);

    private bool Opens(ReadOnlySpan<byte> chunk, Layout layout, ulong place) =>
        (_aead is not null || Begin(chunk)) && Opens(chunk, layout, place, new byte[layout.Plain]);

    private bool Opens(ReadOnlySpan<byte> chunk, Layout layout, ulong place, Span<byte> frames)
    {
        Span<byte> nonce = stackalloc byte[HpkeAead.NonceSize];
        HpkeContext.Nonce(_baseNonce, place, nonce);
        return _aead!.TryDecrypt(nonce, chunk[layout.Head..], frames, layout.IsFinal ? "final"u8 : []);
    }

    private ChunkFault Diagnose(ReadOnlySpan<byte> chunk, Layout? layout)
    {
        if (layout is not { } shape)
        {
            return ChunkFault.Tampered;
        }

        if (shape.IsFirst)
        {
            // Its nonce and key were used up, and no tag covers them once the key is derived.
            return _sequence > 0 && chunk[1..shape.Head].SequenceEqual(_opening) && Opens(chunk, shape, 0) ? ChunkFault.Repeated : ChunkFault.Tampered;
        }

        if (_aead is null)
        {
            // Its key is in the first chunk, which has not come; that it is one of this session cannot be told without.
            return ChunkFault.Dropped;
        }

        ulong reach = (ulong)Math.Clamp(MaxTrialBytes / 2 / shape.Plain, 1, MaxReach);
        byte[] frames = new byte[shape.Plain];
        for (ulong distance = 1; distance <= reach; distance++)
        {
            if (Opens(chunk, shape, _sequence + distance, frames))
            {
                return Erase(frames, ChunkFault.Dropped);
            }

            if (distance < _sequence && Opens(chunk, shape, _sequence - distance, frames))
            {
                return Erase(frames, ChunkFault.Repeated);
            }
        }

        return ChunkFault.Tampered;
    }

    private static ChunkFault Erase(Span<byte> frames, ChunkFault fault)
    {
        CryptographicOperations.ZeroMemory(frames);
        return fault;
    }

    private bool Begin(ReadOnlySpan<byte> chunk)
    {
        ReadOnlySpan<byte> opening = chunk[1..];
        ReadOnlySpan<byte> nonce = opening[..ResponseKeys.NonceSize];
        ReadOnlySpan<byte> enclaveEphemeral = opening.Slice(ResponseKeys.NonceSize, X25519PrivateKey.Size);
        Span<byte> agreed = stackalloc byte[X25519PrivateKey.Size];
        if (!_ephemeral.TryAgree(enclaveEphemeral, agreed))
        {
            return false;
        }

        opening[.._opening.Length].CopyTo(_opening);
        _aead = ResponseKeys.Derive(_suite, _exported.Span, _encapsulation, nonce, enclaveEphemeral, agreed, _baseNonce);
        CryptographicOperations.ZeroMemory(agreed);
        _ephemeral.Dispose();
        return true;
    }

    /// <summary>What a chunk's flags and length say of it.</summary>
    /// <param name="Head">Bytes before the ciphertext.</param>
    /// <param name="Plain">Bytes of plaintext: whole frames, at least one.</param>
    private readonly record struct Layout(bool IsFirst, bool IsFinal, int Head, int Plain)
    {
        /// <summary><c>null</c> for what no sealer writes.</summary>
        public static Layout? Of(ReadOnlySpan<byte> chunk)
        {
            if (chunk.IsEmpty || (chunk[0] & ~(byte)(ChunkFlags.First | ChunkFlags.Final)) != 0)
            {
                return null;
            }

            ChunkFlags flags = (ChunkFlags)chunk[0];
            bool isFirst = flags.HasFlag(ChunkFlags.First);
            int head = 1 + (isFirst ? ResponseKeys.NonceSize + X25519PrivateKey.Size : 0);
            int plain = chunk.Length - head - HpkeAead.TagSize;
            return plain is > 0 and <= ResponseShape.FrameSize * ResponseShape.MaxFramesPerChunk && plain % ResponseShape.FrameSize == 0
                ? new Layout(isFirst, flags.HasFlag(ChunkFlags.Final), head, plain)
                : null;
        }
    }
}
