using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Protocol.Sessions;

/// <summary>A request as it goes out, and the only thing that opens its answer.</summary>
/// <param name="Header">The exact RoutingHeader bytes for <see cref="Request.Header"/>.</param>
/// <param name="Sealed">For <see cref="Request.Sealed"/>.</param>
/// <param name="Response">Owned by the receiver, who disposes it.</param>
internal sealed record SealedCall(byte[] Header, byte[] Sealed, ResponseOpener Response);

/// <summary>The client's side of sealing.</summary>
internal static class RequestSealer
{
    /// <param name="suite">That of the key.</param>
    /// <param name="key">A record whose signature by the attested identity key was verified.</param>
    /// <param name="reportData">64 bytes, from the appraised evidence.</param>
    /// <exception cref="SessionException">The key is of another suite, its point bad, or the request too large.</exception>
    public static SealedCall Seal(
        HpkeSuite suite, KeyRecord key, ReadOnlySpan<byte> reportData, ReadOnlySpan<byte> transcriptHash, RoutingHeader header, SealedRequest request)
    {
        if (!suite.Is(key.Kem, key.Kdf, key.Aead) || key.KeyId.Length != RequestEnvelope.KeyIdSize)
        {
            throw new SessionException(SessionErrorCode.UnknownKey, "suite of another key");
        }

        byte[] headerBytes = header.ToByteArray();
        byte[] envelope = RequestEnvelope.WriteHeader(key.KeyId.Span, suite);
        int size = request.CalculateSize();
        RequestPadding.ThrowIfTooLarge(size);
        using HpkeContext? context =
            suite.TrySetupSender(key.PublicKey.Span, RequestEnvelope.Info(envelope, reportData), out KemEncapsulation? encapsulation);
        if (context is null || encapsulation is null)
        {
            throw new SessionException(SessionErrorCode.UnknownKey, "bad public key");
        }

        using (encapsulation)
        {
            // A prompt can be long: it is written, padded and sealed where it stays.
            int start = envelope.Length + encapsulation.Encapsulation.Length, length = RequestPadding.PaddedLength(size);
            byte[] sealedBytes = new byte[start + length + HpkeAead.TagSize];
            envelope.CopyTo(sealedBytes, 0);
            encapsulation.Encapsulation.CopyTo(sealedBytes, envelope.Length);
            Span<byte> padded = sealedBytes.AsSpan(start, length);
            request.WriteTo(RequestPadding.Begin(padded, size));
            context.Seal(RequestEnvelope.AssociatedData(transcriptHash, headerBytes), padded, sealedBytes.AsSpan(start));
            return new SealedCall(
                headerBytes,
                sealedBytes,
                new ResponseOpener(suite, context, encapsulation.Encapsulation, encapsulation.Ephemeral));
        }
    }
}
