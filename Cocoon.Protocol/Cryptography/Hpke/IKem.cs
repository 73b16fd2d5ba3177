namespace Cocoon.Protocol.Cryptography.Hpke;

/// <summary>A key encapsulation mechanism of RFC 9180 §4.</summary>
internal interface IKem
{
    /// <summary>RFC 9180 §7.1.</summary>
    ushort Id { get; }

    int PublicKeySize { get; }

    int EncapsulationSize { get; }

    IKemPrivateKey Generate();

    /// <summary><c>null</c> for a public key of wrong length or low order.</summary>
    KemEncapsulation? TryEncapsulate(ReadOnlySpan<byte> publicKey);

    /// <summary>The X25519 public key inside an encapsulation: the response's second, forward-secret step agrees with it.</summary>
    ReadOnlySpan<byte> X25519Share(ReadOnlySpan<byte> encapsulation);
}

/// <summary>The recipient's key. Disposal erases it.</summary>
internal interface IKemPrivateKey : IDisposable
{
    IKem Kem { get; }

    ReadOnlySpan<byte> PublicKey { get; }

    /// <summary><c>false</c> for an encapsulation of wrong length or low order.</summary>
    bool TryDecapsulate(ReadOnlySpan<byte> encapsulation, Span<byte> sharedSecret);
}

/// <summary>The sender's side of one encapsulation. Disposal erases the shared secret, not <see cref="Ephemeral"/>.</summary>
/// <param name="Ephemeral">The X25519 key inside; its new owner disposes it.</param>
internal sealed record KemEncapsulation(byte[] Encapsulation, SecretBytes SharedSecret, X25519PrivateKey Ephemeral) : IDisposable
{
    public void Dispose() => SharedSecret.Dispose();
}
