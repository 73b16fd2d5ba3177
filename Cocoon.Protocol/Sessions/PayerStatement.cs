using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Sessions;

/// <summary>Says that whoever asks in a session may sign a channel's vouchers: addresses are public, and vouchers can be seen on chain.</summary>
/// <remarks><code>"cocoon/payer/v1\0" · session id 16 · channel 32</code></remarks>
internal static class PayerStatement
{
    /// <param name="key">The channel's pay key, or a session key that it granted.</param>
    /// <param name="sessionId">The first 16 bytes of the session's transcript hash, to which the enclave and the client each gave a nonce.</param>
    /// <param name="channel">Its account id.</param>
    public static byte[] Sign(Ed25519PrivateKey key, ReadOnlySpan<byte> sessionId, CellHash channel) => key.Sign(Message(sessionId, channel));

    public static bool Verify(Ed25519PublicKey key, ReadOnlySpan<byte> sessionId, CellHash channel, ReadOnlySpan<byte> signature) =>
        key.Verify(Message(sessionId, channel), signature);

    private static byte[] Message(ReadOnlySpan<byte> sessionId, CellHash channel)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(sessionId.Length, SessionTranscript.SessionIdSize);
        return [.. SessionDomains.Payer, .. sessionId, .. channel.ToArray()];
    }
}
