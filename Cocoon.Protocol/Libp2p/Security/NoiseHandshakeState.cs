using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography;

namespace Cocoon.Protocol.Libp2p.Security;

/// <summary>The XX pattern, without input or output.</summary>
/// <remarks>
/// <code>
/// 1  → e
/// 2  ← e, ee, s, es
/// 3  → s, se
/// </code>
/// Messages must be written and read in turn; each carries a payload.
/// </remarks>
internal sealed class NoiseHandshakeState : IDisposable
{
    /// <summary>Key, encrypted key and tag of the payload: the most that a message adds to its payload.</summary>
    public const int MaxOverhead = X25519PrivateKey.Size + X25519PrivateKey.Size + (2 * NoiseCipher.TagSize);

    private const int LastMessage = 3;

    private readonly bool _isInitiator;
    private readonly X25519PrivateKey _static;
    private readonly X25519PrivateKey _ephemeral;
    private readonly NoiseSymmetricState _symmetric;
    private readonly byte[] _remoteStatic = new byte[X25519PrivateKey.Size];
    private readonly byte[] _remoteEphemeral = new byte[X25519PrivateKey.Size];
    private int _message = 1;

    /// <param name="staticKey">Stays the caller's.</param>
    /// <param name="ephemeral">Owned from now on; a fresh one unless a test vector gives it.</param>
    public NoiseHandshakeState(bool isInitiator, X25519PrivateKey staticKey, X25519PrivateKey? ephemeral = null, ReadOnlySpan<byte> prologue = default)
    {
        _isInitiator = isInitiator;
        _static = staticKey;
        _ephemeral = ephemeral ?? X25519PrivateKey.Generate();
        _symmetric = new NoiseSymmetricState(prologue);
    }

    public bool IsFinished => _message > LastMessage;

    public ReadOnlySpan<byte> RemoteStatic => _remoteStatic;

    public ReadOnlySpan<byte> HandshakeHash => _symmetric.HandshakeHash;

    private bool IsOwnTurn => !IsFinished && (_message % 2 == 1) == _isInitiator;

    /// <summary>Writes the next message and returns its length, at most <see cref="MaxOverhead"/> above the payload's.</summary>
    /// <exception cref="Libp2pException">The remote's key has low order.</exception>
    public int WriteMessage(ReadOnlySpan<byte> payload, Span<byte> destination)
    {
        if (!IsOwnTurn)
        {
            throw new InvalidOperationException("It is the remote's turn.");
        }

        int at = 0;
        if (_message is 1 or 2)
        {
            _ephemeral.PublicKey.CopyTo(destination);
            _symmetric.MixHash(_ephemeral.PublicKey);
            at = X25519PrivateKey.Size;
        }

        bool agreed = true;
        if (_message == 2)
        {
            agreed = MixAgreement(_ephemeral, _remoteEphemeral);
        }

        if (_message is 2 or 3)
        {
            at += _symmetric.EncryptAndHash(_static.PublicKey, destination[at..]);
            agreed &= MixAgreement(_static, _remoteEphemeral);
        }

        if (!agreed)
        {
            throw new Libp2pException(Libp2pErrorCode.SecurityFailed, "The remote's key has low order.");
        }

        at += _symmetric.EncryptAndHash(payload, destination[at..]);
        _message++;
        return at;
    }

    /// <summary>Reads the remote's next message; <c>false</c> when anything in it does not hold.</summary>
    /// <param name="payload">At least as long as the message.</param>
    public bool TryReadMessage(ReadOnlySpan<byte> message, Span<byte> payload, out int written)
    {
        written = 0;
        if (IsOwnTurn || IsFinished)
        {
            return false;
        }

        if (_message is 1 or 2)
        {
            if (message.Length < X25519PrivateKey.Size)
            {
                return false;
            }

            message[..X25519PrivateKey.Size].CopyTo(_remoteEphemeral);
            message = message[X25519PrivateKey.Size..];
            _symmetric.MixHash(_remoteEphemeral);
        }

        if (_message == 2 && !MixAgreement(_ephemeral, _remoteEphemeral))
        {
            return false;
        }

        if (_message is 2 or 3)
        {
            int length = X25519PrivateKey.Size + NoiseCipher.TagSize;
            if (message.Length < length
                || !_symmetric.TryDecryptAndHash(message[..length], _remoteStatic, out _)
                || !MixAgreement(_ephemeral, _remoteStatic))
            {
                return false;
            }

            message = message[length..];
        }

        _message++;
        return _symmetric.TryDecryptAndHash(message, payload, out written);
    }

    /// <summary>The transport ciphers, as seen from here.</summary>
    public (NoiseCipher Send, NoiseCipher Receive) Split()
    {
        (NoiseCipher toResponder, NoiseCipher toInitiator) = _symmetric.Split();
        return _isInitiator ? (toResponder, toInitiator) : (toInitiator, toResponder);
    }

    public void Dispose()
    {
        _ephemeral.Dispose();
        _symmetric.Dispose();
    }

    private bool MixAgreement(X25519PrivateKey own, ReadOnlySpan<byte> remote)
    {
        Span<byte> shared = stackalloc byte[X25519PrivateKey.Size];
        bool agreed = own.TryAgree(remote, shared);
        if (agreed)
        {
            _symmetric.MixKey(shared);
        }

        CryptographicOperations.ZeroMemory(shared);
        return agreed;
    }
}
