using System.Numerics;
using System.Security.Cryptography;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Protocol.Sessions;

/// <summary>The receiving key that an id names, while it may be used.</summary>
internal interface IRequestKeys
{
    /// <summary><c>null</c> for an unknown or expired id.</summary>
    RequestKey? Find(ReadOnlySpan<byte> keyId);
}

/// <summary>A receiving key and what came in under it.</summary>
internal sealed record RequestKey(IKemPrivateKey Key, HpkeSuite Suite, ReplaySet Replays);

/// <summary>What the enclave knows of the session that a request must belong to.</summary>
/// <param name="ReportData">Of the evidence in this session's Welcome.</param>
/// <param name="RequestId">The only one that the next request may name.</param>
internal sealed record OpeningSession(
    byte[] TranscriptHash, byte[] ReportData, byte[] QuoteDigest, Quote Quote, ReadOnlyMemory<byte> ModelId, byte[] RequestId);

/// <summary>A request that only this enclave could open.</summary>
/// <param name="Response">Owned by the receiver.</param>
internal sealed record OpenedRequest(RoutingHeader Header, SealedRequest Request, ResponseSealer Response);

/// <summary>The enclave's side of sealing: opens, checks replay, expiry, and that inside and outside say the same.</summary>
internal sealed class RequestOpener(IRequestKeys keys, TimeProvider time)
{
    /// <summary>Routing headers expire soon, so that a withheld request is worth nothing.</summary>
    public static readonly TimeSpan MaxExpiry = TimeSpan.FromMinutes(5);

    private const int MaxHeader = 1 << 10;

    /// <exception cref="SessionException">With the code that says why; nothing in it depends on the plaintext but <c>Mismatch</c>.</exception>
    public OpenedRequest Open(OpeningSession session, ReadOnlySpan<byte> headerBytes, ReadOnlySpan<byte> sealedBytes)
    {
        RoutingHeader header = ParseHeader(headerBytes);
        CheckHeader(header, session);
        RequestKey key = keys.Find(RequestEnvelope.KeyIdOf(sealedBytes)) ?? throw new SessionException(SessionErrorCode.UnknownKey, "no such key");
        RequestEnvelope envelope = RequestEnvelope.Read(sealedBytes, key.Suite);
        using HpkeContext context = Decapsulate(key, envelope, session) ?? throw new SessionException(SessionErrorCode.Undecryptable, "sealed request");
        byte[] padded = context.TryOpen(RequestEnvelope.AssociatedData(session.TranscriptHash, headerBytes), envelope.Ciphertext)
            ?? throw new SessionException(SessionErrorCode.Undecryptable, "sealed request");

        // Only authentic requests are remembered: nobody fills the set with noise.
        switch (key.Replays.TryAdd(SHA256.HashData(envelope.Encapsulation)))
        {
            case ReplayVerdict.Seen:
                throw new SessionException(SessionErrorCode.Replayed, "sealed request seen before");
            case ReplayVerdict.Full:
                throw new SessionException(SessionErrorCode.KeyExhausted, "too many requests under this key");
        }

        SealedRequest request = ParseRequest(RequestPadding.Unpad(padded));
        if (request.Channel != header.Channel || !SamePrices(request.Prices, session.Quote.Prices))
        {
            throw new SessionException(SessionErrorCode.Mismatch, "sealed and clear differ");
        }

        if (request.TenantSecret.Length is not (0 or 32))
        {
            throw new SessionException(SessionErrorCode.Malformed, "tenant secret");
        }

        return new OpenedRequest(header, request, new ResponseSealer(key.Suite, context, envelope.Encapsulation));
    }

    private static HpkeContext? Decapsulate(RequestKey key, RequestEnvelope envelope, OpeningSession session)
    {
        try
        {
            return key.Suite.TrySetupRecipient(key.Key, envelope.Encapsulation, RequestEnvelope.Info(envelope.Header, session.ReportData));
        }
        catch (ObjectDisposedException)
        {
            // Its time ended between the look-up and now.
            throw new SessionException(SessionErrorCode.UnknownKey, "the key is erased");
        }
    }

    private void CheckHeader(RoutingHeader header, OpeningSession session)
    {
        if (header.Shape is not (Shape.Steady or Shape.Fast or Shape.Batch)
            || header.Channel.Length is not (0 or 32)
            || !BitOperations.IsPow2(header.OutputBucket))
        {
            throw new SessionException(SessionErrorCode.Malformed, "routing header");
        }

        if (!header.SessionId.Span.SequenceEqual(session.RequestId)
            || !header.QuoteDigest.Span.SequenceEqual(session.QuoteDigest)
            || !header.ModelId.Span.SequenceEqual(session.ModelId.Span))
        {
            throw new SessionException(SessionErrorCode.Mismatch, "routing header of another session");
        }

        ulong now = (ulong)time.GetUtcNow().ToUnixTimeMilliseconds();
        if (header.ExpiresAtMs <= now || header.ExpiresAtMs > now + (ulong)MaxExpiry.TotalMilliseconds)
        {
            throw new SessionException(SessionErrorCode.Expired, "request expired, or expires too late");
        }

        if (session.Quote.NotAfterMs <= now)
        {
            throw new SessionException(SessionErrorCode.Expired, "quote expired");
        }
    }

    private static RoutingHeader ParseHeader(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return bytes.Length > MaxHeader
                ? throw new SessionException(SessionErrorCode.TooLarge, "routing header")
                : RoutingHeader.Parser.ParseBounded(bytes);
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            throw new SessionException(SessionErrorCode.Malformed, "routing header");
        }
    }

    private static SealedRequest ParseRequest(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            return SealedRequest.Parser.ParseBounded(bytes.Span);
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            throw new SessionException(SessionErrorCode.Malformed, "sealed request");
        }
    }

    private static bool SamePrices(Prices? a, Prices? b) =>
        a is not null && b is not null && a.Prompt == b.Prompt && a.Cached == b.Cached && a.Completion == b.Completion;
}
