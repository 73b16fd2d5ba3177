using System.Collections.Concurrent;
using Cocoon.Node.Enclaves;
using Cocoon.Node.Payments;
using Cocoon.Node.Peers;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Microsoft.Extensions.Options;

namespace Cocoon.Node.Serving;

/// <summary>Serves <c>/cocoon/infer/1.0.0</c>: admission, quote and Welcome; each session then runs on its own.</summary>
internal sealed partial class InferenceServer(
    ILibp2pHost host,
    RelayService relay,
    ServingSwitch serving,
    OfferedModels models,
    OwnOffers offers,
    QuoteIssuer quotes,
    ProviderLedger ledger,
    ServingMetrics metrics,
    IOptions<ServingOptions> options,
    TimeProvider time,
    ILogger<InferenceServer> logger) : IHostedService, IDisposable
{
    private static readonly TimeSpan HelloWait = TimeSpan.FromSeconds(10);

    /// <summary>Each may cost a second of the TEE's firmware.</summary>
    private const int FreshEvidencePerMinute = 6;

    private readonly PeerRate _rate = new(options.Value.HellosPerMinute, time);
    private readonly PeerRate _freshRate = new(FreshEvidencePerMinute, time);
    private readonly WaitingSessions _waiting = new(time);
    private readonly ConcurrentDictionary<Task, byte> _sessions = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _draining = new();
    private int _open;

    public int OpenSessions => Volatile.Read(ref _open);

    public Task StartAsync(CancellationToken cancellationToken)
    {
        host.Handle(SessionLink.ProtocolId, HandleAsync);
        relay.Serve(SessionLink.ProtocolId, HandleAsync);
        return Task.CompletedTask;
    }

    /// <summary>Takes no new session and ends those without a request; lets the running ones end within the host's shutdown time, then cancels them.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        serving.Set(ServingPause.Stopping, paused: true);
        host.Unhandle(SessionLink.ProtocolId);
        await _draining.CancelAsync();
        using CancellationTokenRegistration hurry = cancellationToken.Register(_stopping.Cancel);
        await Task.WhenAll(_sessions.Keys);
    }

    public void Dispose()
    {
        _stopping.Dispose();
        _draining.Dispose();
    }

    private Task HandleAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        Task session = ServeAsync(stream, cancellationToken);
        _sessions.TryAdd(session, 0);
        return session.ContinueWith(
            (task, _) => _sessions.TryRemove(task, out byte _), null, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private async Task ServeAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        using SessionLink link = new(stream);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
        try
        {
            await ServeAsync(link, stream.RemotePeer, linked.Token);
        }
        catch (Exception exception) when (exception is IOException or Libp2pException or OperationCanceledException)
        {
            Log.SessionBroken(logger, exception.GetType().Name);
            stream.Reset();
        }
        catch (Exception exception)
        {
            Log.SessionFailed(logger, exception);
            stream.Reset();
        }
    }

    private async Task ServeAsync(SessionLink link, PeerId peer, CancellationToken cancellationToken)
    {
        using CancellationTokenSource timeout = new(HelloWait, time);
        using CancellationTokenSource waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        (ClientMessage Message, byte[] Bytes)? first = await link.ReadClientMessageAsync(SessionLink.MaxHello, waiting.Token);
        if (first is null)
        {
            return;
        }

        const int helloField = 1;
        Hello? hello = first.Value.Message.Hello;
        byte[]? bytes = SessionLink.OnlyField(first.Value.Bytes, helloField);
        OfferedModel? model = hello is null ? null : models.Find(hello.ModelId.Span);
        string owner = PeerOwner.Of(host, peer);
        (DeclineReason reason, string detail, VerifiedOffer? followed) = Judge(hello, bytes, model, peer, owner);

        // Only for who would be served: nobody loses a session to a hello that leads nowhere.
        if (reason == DeclineReason.DeclineUnspecified && OpenSessions >= options.Value.MaxSessions && !await _waiting.TryMakeRoomAsync(waiting.Token))
        {
            (reason, detail) = (DeclineReason.DeclineSlots, "too many open sessions");
        }

        if (reason != DeclineReason.DeclineUnspecified)
        {
            if (reason == DeclineReason.DeclineSlots)
            {
                model?.CountTurnedAway();
            }

            await DeclineAsync(link, reason, detail, cancellationToken);
            return;
        }

        using WaitingSessions.Entry entry = _waiting.Add(owner);

        // Counted from here on: streams without a hello are the connection's to bound, and take no place from anybody.
        Interlocked.Increment(ref _open);
        try
        {
            if (await ServeAsync(link, entry, model!, quotes.Issue(followed!, hello!, options.Value.MaxCreditNanoton), bytes!, cancellationToken))
            {
                _rate.Return(peer, owner);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }

    /// <returns>Whether it was a session that earned something.</returns>
    private async Task<bool> ServeAsync(
        SessionLink link, WaitingSessions.Entry entry, OfferedModel model, SignedQuote quote, byte[] hello, CancellationToken cancellationToken)
    {
        IEnclaveSession session;
        try
        {
            session = await model.Enclave.OpenAsync(hello, quote, cancellationToken);
        }
        catch (EnclaveException exception)
        {
            bool full = exception.Code == EnclaveErrorCode.TooManySessions;
            if (full)
            {
                model.CountTurnedAway();
            }

            await DeclineAsync(link, full ? DeclineReason.DeclineSlots : DeclineReason.DeclineEnclave, exception.Code.ToString(), cancellationToken);
            return false;
        }

        await using (session)
        {
            ProviderSession served = new(link, session, ledger, quote, metrics, time, logger);
            entry.Begin(() => served.IsWaiting);
            using CancellationTokenSource draining = CancellationTokenSource.CreateLinkedTokenSource(_draining.Token, entry.Leave);
            return await served.RunAsync(draining.Token, cancellationToken);
        }
    }

    private (DeclineReason Reason, string Detail, VerifiedOffer? Followed) Judge(
        Hello? hello, byte[]? bytes, OfferedModel? model, PeerId peer, string owner)
    {
        if (hello is null || bytes is null || hello.Nonce.Length != 32 || hello.KnownEvidence.Count > 8 || hello.Versions.Count > 16)
        {
            return (DeclineReason.DeclineMalformed, "a hello was expected", null);
        }

        if (!_rate.TryTake(peer, owner) || (hello.FreshEvidence && !_freshRate.TryTake(peer, owner)))
        {
            return (DeclineReason.DeclineRate, "too many sessions in a minute", null);
        }

        if (!serving.IsOpen)
        {
            return (DeclineReason.DeclineDraining, "this node takes no new sessions", null);
        }

        if (SessionVersions.Choose(hello.Versions) == 0)
        {
            return (DeclineReason.DeclineVersion, "this node speaks versions 1 and 2", null);
        }

        if (model is null)
        {
            // An enclave that starts again may be the one that is asked for.
            return models.All.All(m => m.Enclave.Info is not null)
                ? (DeclineReason.DeclineModel, "this model is not served here", null)
                : (DeclineReason.DeclineEnclave, "the enclave is not ready", null);
        }

        return offers.Find(hello.OfferDigest.Span) is { } followed && followed.Offer.ModelId.Span.SequenceEqual(hello.ModelId.Span)
            ? (DeclineReason.DeclineUnspecified, "", followed)
            : (DeclineReason.DeclineQuote, "that offer has run out", null);
    }

    private async Task DeclineAsync(SessionLink link, DeclineReason reason, string detail, CancellationToken cancellationToken)
    {
        metrics.SessionDeclined(reason);
        await link.WriteAsync(ClientLine.Declined(reason, detail, 0, retryAfterMs: 1000), cancellationToken);
    }

    private static partial class Log
    {
        [LoggerMessage(2301, LogLevel.Debug, "A session's stream broke: {Kind}")]
        public static partial void SessionBroken(ILogger logger, string kind);

        [LoggerMessage(2302, LogLevel.Error, "A session failed")]
        public static partial void SessionFailed(ILogger logger, Exception exception);
    }
}
