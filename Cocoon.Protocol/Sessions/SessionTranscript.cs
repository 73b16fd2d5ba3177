using System.Buffers.Binary;
using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography;

namespace Cocoon.Protocol.Sessions;

/// <summary>What client and enclave said before the request, as one hash.</summary>
/// <remarks><c>SHA-256("cocoon/session-transcript/v1\0" ‖ u32 length ‖ Hello ‖ u32 length ‖ WelcomeBody)</c>, lengths big endian.</remarks>
internal static class SessionTranscript
{
    public const int HashSize = 32;
    public const int SessionIdSize = 16;

    public static byte[] Hash(ReadOnlySpan<byte> hello, ReadOnlySpan<byte> welcomeBody)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(SessionDomains.Transcript);
        Append(hash, hello);
        Append(hash, welcomeBody);
        return hash.GetHashAndReset();
    }

    /// <summary>What fresh evidence must hold: SHA-256 of the domain and the Hello's nonce.</summary>
    public static byte[] Challenge(ReadOnlySpan<byte> helloNonce) => SHA256.HashData(SessionDomains.Message(SessionDomains.Challenge, helloNonce));

    public static byte[] SessionId(ReadOnlySpan<byte> transcriptHash) => transcriptHash[..SessionIdSize].ToArray();

    /// <summary>What a request of a session is called in its header, its vouchers' allocations, its settlement and its receipt.</summary>
    /// <param name="sessionId">That of the session, which is also that of its first request.</param>
    /// <param name="number">From 0; only version 2 has others.</param>
    public static byte[] RequestId(ReadOnlySpan<byte> sessionId, uint number)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(sessionId.Length, SessionIdSize);
        if (number == 0)
        {
            return sessionId.ToArray();
        }

        Span<byte> message = stackalloc byte[SessionDomains.NextRequest.Length + SessionIdSize + sizeof(uint)];
        SessionDomains.NextRequest.CopyTo(message);
        sessionId.CopyTo(message[SessionDomains.NextRequest.Length..]);
        BinaryPrimitives.WriteUInt32BigEndian(message[^sizeof(uint)..], number);
        return SHA256.HashData(message)[..SessionIdSize];
    }

    /// <summary>The enclave's proof that its attested identity key is in use now.</summary>
    public static byte[] Sign(Ed25519PrivateKey identity, ReadOnlySpan<byte> transcriptHash) =>
        identity.Sign(SessionDomains.Message(SessionDomains.Liveness, transcriptHash));

    public static bool Verify(ReadOnlySpan<byte> identityKey, ReadOnlySpan<byte> transcriptHash, ReadOnlySpan<byte> signature) =>
        Ed25519.Verify(identityKey, SessionDomains.Message(SessionDomains.Liveness, transcriptHash), signature);

    private static void Append(IncrementalHash hash, ReadOnlySpan<byte> part)
    {
        Span<byte> length = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(length, (uint)part.Length);
        hash.AppendData(length);
        hash.AppendData(part);
    }
}
