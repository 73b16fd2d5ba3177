using System.Security.Cryptography;
using Cocoon.Enclave.Attestation;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Enclave.Sessions;

/// <summary>A session inside the enclave: what its Welcome said, and the requests that come under it, one at a time.</summary>
/// <remarks>Called by the pipe's one reader; only <see cref="Free"/> comes from the work itself.</remarks>
internal sealed class EnclaveSession
{
    private const int NonceSize = 16;
    private const int MaxKnownEvidence = 8;

    private readonly EnclaveSessionContext _context;
    private readonly SessionOutput _output;
    private readonly OpeningSession _opening;
    private readonly EnclaveIdentity.Evidence _evidence;
    private readonly uint _version;
    private uint _requests;
    private EnclaveRequest? _request;

    private EnclaveSession(
        EnclaveSessionContext context, SessionOutput output, OpeningSession opening, EnclaveIdentity.Evidence evidence, Welcome welcome, uint version)
    {
        _context = context;
        _output = output;
        _opening = opening;
        _evidence = evidence;
        _version = version;
        Welcome = welcome;
    }

    public Welcome Welcome { get; }

    public byte[] SessionId => _opening.RequestId;

    /// <summary>Until when a request may be started.</summary>
    public DateTimeOffset ExpiresAt => DateTimeOffset.FromUnixTimeMilliseconds((long)Math.Min(_opening.Quote.NotAfterMs, long.MaxValue / 20_000));

    /// <summary>The request that runs, or is about to say its last word.</summary>
    public EnclaveRequest? Request => Volatile.Read(ref _request);

    /// <exception cref="SessionException">Not a Hello.</exception>
    public static Hello ReadHello(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            return Hello.Parser.ParseBounded(bytes.Span);
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            throw new SessionException(SessionErrorCode.Malformed, "hello");
        }
    }

    /// <summary>Composes and signs the Welcome.</summary>
    /// <param name="helloBytes">The exact bytes of <paramref name="hello"/>.</param>
    /// <param name="evidence">What the Welcome shows: the current evidence, or some made for this Hello.</param>
    /// <exception cref="SessionException">The Hello or the quote cannot be served.</exception>
    public static EnclaveSession Open(
        EnclaveSessionContext context, SessionOutput output, Hello hello, ReadOnlyMemory<byte> helloBytes, SignedQuote? signedQuote,
        EnclaveIdentity.Evidence evidence)
    {
        Quote quote;
        try
        {
            quote = Quote.Parser.ParseBounded((signedQuote?.Quote ?? ByteString.Empty).Span);
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            throw new SessionException(SessionErrorCode.Malformed, "quote");
        }

        if (hello.Nonce.Length != 32 || hello.KnownEvidence.Count > MaxKnownEvidence || quote.Prices is null || quote.HelloNonce != hello.Nonce
            || quote.UnitTokens < ResponseShape.MinUnitTokens)
        {
            throw new SessionException(SessionErrorCode.Malformed, "hello or quote");
        }

        uint version = SessionVersions.Choose(hello.Versions);
        if (version == 0 || !hello.ModelId.Span.SequenceEqual(context.Model.Id.ToArray()))
        {
            throw new SessionException(SessionErrorCode.Mismatch, "version or model");
        }

        WelcomeBody body = new()
        {
            Version = version,
            Keys = { context.Identity.Keys.Records },
            Quote = signedQuote,
            Nonce = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(NonceSize)),
        };
        if (hello.KnownEvidence.Any(d => d.Span.SequenceEqual(evidence.Digest)))
        {
            body.BundleDigest = ByteString.CopyFrom(evidence.Digest);
        }
        else
        {
            body.Bundle = UnsafeByteOperations.UnsafeWrap(evidence.Bundle);
        }

        ByteString bodyBytes = body.ToByteString();
        byte[] transcript = SessionTranscript.Hash(helloBytes.Span, bodyBytes.Span);
        Welcome welcome = new()
        {
            Body = bodyBytes,
            Signature = UnsafeByteOperations.UnsafeWrap(SessionTranscript.Sign(context.Identity.Key, transcript)),
        };
        OpeningSession opening = new(
            transcript, evidence.ReportData, SHA256.HashData(signedQuote!.Quote.Span), quote, context.Model.Id.ToArray(), SessionTranscript.SessionId(transcript));
        return new EnclaveSession(context, output, opening, evidence, welcome, version);
    }

    /// <summary>Opens the next request and starts its work.</summary>
    /// <exception cref="SessionException">Refused; nothing of it ran.</exception>
    public EnclaveRequest Start(StartRequest start, CancellationToken shutdown)
    {
        if (Request is not null || (_requests > 0 && _version < SessionVersions.Several))
        {
            throw new SessionException(SessionErrorCode.Malformed, "started twice");
        }

        OpeningSession opening = _opening with { RequestId = SessionTranscript.RequestId(_opening.RequestId, _requests) };
        OpenedRequest opened = _context.Opener.Open(opening, start.Header.Span, start.Sealed.Span);
        _requests = checked(_requests + 1);
        EnclaveRequest request = new(_context, _output, opening, _evidence, opened, Free);
        request.Allow(start.UpToDue);
        request.ReportVoucher(start.StatementDigest.Span, start.CoversDue);
        Volatile.Write(ref _request, request);
        request.Begin(shutdown);
        return request;
    }

    /// <summary>Before a request's last frame leaves: the host may start the next one as soon as it has read it.</summary>
    private void Free() => Volatile.Write(ref _request, null);
}
