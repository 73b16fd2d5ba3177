using System.Security.Cryptography;
using Cocoon.Node.Enclaves;
using Cocoon.Node.Payments;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Serving;

/// <summary>What all requests of one session share.</summary>
internal sealed record ProviderSessionContext(
    ClientLine Client, IEnclaveSession Enclave, ProviderLedger Ledger, SignedQuote SignedQuote, ServingMetrics Metrics, TimeProvider Time, ILogger Logger)
{
    public Quote Quote { get; } = Quote.Parser.ParseFrom(SignedQuote.Quote);

    public SessionPayer Payer { get; } = new(Enclave.SessionId);

    public byte[] QuoteDigest { get; } = SHA256.HashData(SignedQuote.Quote.Span);
}

/// <summary>One inference session from the host's side: reads the client and has its requests served, one after the other.</summary>
/// <remarks>
/// Two loops share it: this one reads the client, and each request has its own that reads the enclave. A request that ended with its
/// settlement may be followed by another; everything else ends the session.
/// </remarks>
internal sealed partial class ProviderSession(
    SessionLink link, IEnclaveSession enclave, ProviderLedger ledger, SignedQuote quote, ServingMetrics metrics, TimeProvider time, ILogger logger)
{
    /// <summary>Longer than any quote lasts: a client that can still ask is not turned away.</summary>
    private static readonly TimeSpan RequestWait = TimeSpan.FromSeconds(75);

    /// <summary>Several round trips of a slow connection.</summary>
    private static readonly TimeSpan LateVoucherWait = TimeSpan.FromSeconds(3);

    private readonly Lock _lock = new();
    private ProviderRequest? _request;
    private Task _serving = Task.CompletedTask;
    private Task _booked = Task.CompletedTask;
    private bool _isServing;
    private bool _isDraining;
    private bool _isOver;
    private bool _hasEarned;

    /// <param name="draining">Ends a session in which no request runs: a client keeps some open in case it asks again.</param>
    /// <returns>Whether something was served that the channel owes or has paid.</returns>
    public async Task<bool> RunAsync(CancellationToken draining, CancellationToken cancellationToken)
    {
        using ClientLine client = new(link, metrics, time, cancellationToken);
        await client.SendAsync(new ProviderMessage { Welcome = enclave.Welcome }, cancellationToken);
        using CancellationTokenSource unasked = new(RequestWait, time);
        using CancellationTokenSource reading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, unasked.Token);
        using CancellationTokenRegistration drain = draining.Register(() => Drain(reading));
        ProviderSessionContext context = new(client, enclave, ledger, quote, metrics, time, logger);
        try
        {
            await ReadClientAsync(context, unasked, reading, cancellationToken);
        }
        catch (OperationCanceledException) when (unasked.IsCancellationRequested && !Volatile.Read(ref _isOver) && !cancellationToken.IsCancellationRequested)
        {
            // Clients open sessions ahead and may not need them: no decline that anybody should count.
            await client.SendAsync(ClientLine.Declined(DeclineReason.DeclineExpired, "no request came before the quote ran out", 0), cancellationToken);
        }
        catch (OperationCanceledException) when (HasServed)
        {
            // The last request ended, or still runs while this node stops.
        }
        catch (Exception exception) when (exception is IOException or Libp2pException && HasServed)
        {
            Log.ClientGone(logger);
            await enclave.CancelAsync(CancellationToken.None);
        }
        finally
        {
            await _serving;
            await _booked;
        }

        return _hasEarned;
    }

    /// <summary>Whether no request runs, and another one may come.</summary>
    public bool IsWaiting
    {
        get
        {
            lock (_lock)
            {
                return !_isServing && !_isOver;
            }
        }
    }

    private bool HasServed => Volatile.Read(ref _request) is not null;

    /// <summary>Until the client leaves, or a request ends that nothing may follow. A half-closed client still reads its answer; a reset ends the work.</summary>
    private async Task ReadClientAsync(
        ProviderSessionContext context, CancellationTokenSource unasked, CancellationTokenSource reading, CancellationToken cancellationToken)
    {
        uint requests = 0;
        while (await link.ReadClientMessageAsync(SessionLink.MaxMessage, reading.Token) is var (message, _))
        {
            switch (message.BodyCase)
            {
                case ClientMessage.BodyOneofCase.Request:
                    // The settlement of the one before has left, or its client does not wait for it: then this one does.
                    await _serving;
                    if (_booked.IsFaulted)
                    {
                        return;
                    }

                    ProviderRequest next = new(context, requests++);
                    if (!TryOccupy(unasked) || !await next.TryBeginAsync(message.Request, cancellationToken))
                    {
                        return;
                    }

                    Volatile.Write(ref _request, next);
                    _serving = ServeAsync(next, unasked, reading, cancellationToken);
                    break;
                case ClientMessage.BodyOneofCase.Voucher when _request is { } request:
                    if (await request.AcceptVoucherAsync(message.Voucher, cancellationToken) is { } refused)
                    {
                        Log.VoucherRefused(logger, refused);
                        await enclave.CancelAsync(cancellationToken);
                        return;
                    }

                    break;
                case ClientMessage.BodyOneofCase.Cancel when _request is not null:
                    await enclave.CancelAsync(cancellationToken);
                    break;
                case ClientMessage.BodyOneofCase.Cancel:
                    return;
                default:
                    if (_request is null)
                    {
                        await context.Client.DeclineAsync(DeclineReason.DeclineMalformed, "a request was expected", cancellationToken);
                        return;
                    }

                    throw new Libp2pException(Libp2pErrorCode.Malformed, "Only vouchers, cancels and the next request may follow a request.");
            }
        }
    }

    private async Task ServeAsync(
        ProviderRequest request, CancellationTokenSource unasked, CancellationTokenSource reading, CancellationToken cancellationToken)
    {
        bool mayGoOn = false;
        try
        {
            _hasEarned |= await request.RunAsync(cancellationToken) > 0;
            mayGoOn = request.IsSettled;
        }
        finally
        {
            _booked = _booked.IsCompletedSuccessfully ? request.Booked : Task.WhenAll(_booked, request.Booked);
            bool isOver;
            lock (_lock)
            {
                _isServing = false;
                isOver = _isOver |= !mayGoOn || _isDraining;
                if (!isOver)
                {
                    unasked.CancelAfter(RequestWait);
                }
            }

            if (isOver && request.IsSettled && request.IsAtRisk)
            {
                // An answer served on credit can end before the voucher that covers it is here: it is on its way.
                unasked.CancelAfter(LateVoucherWait);
            }
            else if (isOver)
            {
                await reading.CancelAsync();
            }
        }
    }

    /// <returns><c>false</c> when the session ended as its request came.</returns>
    private bool TryOccupy(CancellationTokenSource unasked)
    {
        lock (_lock)
        {
            _isServing = !_isOver && !unasked.IsCancellationRequested;
            if (_isServing)
            {
                unasked.CancelAfter(Timeout.InfiniteTimeSpan);
            }

            return _isServing;
        }
    }

    private void Drain(CancellationTokenSource reading)
    {
        lock (_lock)
        {
            _isDraining = true;
            if (_isServing)
            {
                return;
            }

            _isOver = true;
        }

        reading.Cancel();
    }

    private static partial class Log
    {
        [LoggerMessage(2311, LogLevel.Debug, "A client left its session before the end")]
        public static partial void ClientGone(ILogger logger);

        [LoggerMessage(2312, LogLevel.Debug, "A voucher was refused: {Reason}")]
        public static partial void VoucherRefused(ILogger logger, VoucherFault reason);
    }
}
