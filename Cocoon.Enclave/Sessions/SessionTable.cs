using Cocoon.Enclave.Attestation;
using Cocoon.Protocol.Enclaves;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Enclave.Sessions;

/// <summary>The sessions of one enclave by their handle on the pipe. Bounded; what was opened and never started goes with its quote.</summary>
/// <remarks>Called by the pipe's one reader; sessions end on their own.</remarks>
internal sealed class SessionTable(EnclaveSessionContext context, PipeFrameWriter pipe, CancellationToken shutdown) : IAsyncDisposable
{
    public const int MaxSessions = EnclaveLimits.MaxSessions;

    /// <summary>Fresh evidence being made at a time: firmware makes one quote after another, and TDX needs about a second for each.</summary>
    public const int MaxFreshEvidence = 4;

    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, EnclaveSession> _sessions = [];
    private readonly HashSet<Task> _running = [];
    private readonly HashSet<Task> _collecting = [];

    public int Running
    {
        get
        {
            lock (_lock)
            {
                return _running.Count;
            }
        }
    }

    public async ValueTask OpenAsync(OpenSession open)
    {
        DropExpired();
        try
        {
            Hello hello = EnclaveSession.ReadHello(open.Hello.Memory);
            if (hello.FreshEvidence && hello.Nonce.Length == 32)
            {
                CollectInBackground(open, hello);
            }
            else
            {
                await OpenAsync(open, hello, context.Identity.Current);
            }
        }
        catch (SessionException e)
        {
            await new SessionOutput(pipe, open.Handle).RefusedAsync(e.Word, shutdown);
        }
    }

    /// <summary>The pipe's reader does not wait for firmware.</summary>
    /// <exception cref="SessionException">Too many at a time.</exception>
    private void CollectInBackground(OpenSession open, Hello hello)
    {
        lock (_lock)
        {
            if (_collecting.Count >= MaxFreshEvidence)
            {
                throw new SessionException(SessionErrorCode.Busy, "fresh evidence");
            }

            Task collecting = Task.Run(() => OpenFreshAsync(open, hello), CancellationToken.None);
            _collecting.Add(collecting);
            collecting.ContinueWith(
                done =>
                {
                    lock (_lock)
                    {
                        _collecting.Remove(done);
                    }
                },
                CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private async Task OpenFreshAsync(OpenSession open, Hello hello)
    {
        try
        {
            await OpenAsync(open, hello, await context.Identity.CollectFreshAsync([.. SessionTranscript.Challenge(hello.Nonce.Span)], shutdown));
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // Ending, or the host is gone.
        }
        catch (EvidenceSourceException)
        {
            await new SessionOutput(pipe, open.Handle).RefusedAsync(SessionReasons.Evidence, shutdown);
        }
    }

    private async Task OpenAsync(OpenSession open, Hello hello, EnclaveIdentity.Evidence evidence)
    {
        SessionOutput output = new(pipe, open.Handle);
        try
        {
            EnclaveSession session = EnclaveSession.Open(context, output, hello, open.Hello.Memory, open.Quote, evidence);
            lock (_lock)
            {
                if (_sessions.Count >= MaxSessions || !_sessions.TryAdd(open.Handle, session))
                {
                    throw new SessionException(SessionErrorCode.TooLarge, "too many sessions");
                }
            }

            SessionOpened opened = new()
            {
                Handle = open.Handle,
                Welcome = session.Welcome,
                SessionId = ByteString.CopyFrom(session.SessionId),
            };
            await pipe.WriteAsync(new EnclaveFrame { SessionOpened = opened }, shutdown);
        }
        catch (SessionException e)
        {
            await output.RefusedAsync(e.Word, shutdown);
        }
    }

    public async ValueTask StartAsync(StartRequest start)
    {
        if (Find(start.Handle) is not { } session)
        {
            await new SessionOutput(pipe, start.Handle).RefusedAsync(SessionReasons.UnknownSession, shutdown);
            return;
        }

        try
        {
            Track(session.Start(start, shutdown).Work);
        }
        catch (SessionException e)
        {
            await new SessionOutput(pipe, start.Handle).RefusedAsync(e.Word, shutdown);
            Close(start.Handle);
        }
    }

    public EnclaveSession? Find(ulong handle)
    {
        lock (_lock)
        {
            return _sessions.GetValueOrDefault(handle);
        }
    }

    /// <summary>Forgets a session, running or not; what runs of it ends on its own, and the pipe's reader does not wait for that.</summary>
    public void Close(ulong handle)
    {
        EnclaveSession? session;
        lock (_lock)
        {
            _sessions.Remove(handle, out session);
        }

        session?.Request?.Close();
    }

    public async ValueTask DisposeAsync()
    {
        EnclaveSession[] sessions;
        Task[] running;
        lock (_lock)
        {
            sessions = [.. _sessions.Values];
            running = [.. _running, .. _collecting];
        }

        foreach (EnclaveSession session in sessions)
        {
            session.Request?.Close();
        }

        await Task.WhenAll(running);
    }

    private void Track(Task work)
    {
        lock (_lock)
        {
            _running.Add(work);
        }

        work.ContinueWith(
            done =>
            {
                lock (_lock)
                {
                    _running.Remove(done);
                }
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private void DropExpired()
    {
        DateTimeOffset now = context.Time.GetUtcNow();
        lock (_lock)
        {
            foreach ((ulong handle, EnclaveSession session) in _sessions)
            {
                if (session.Request is null && session.ExpiresAt < now)
                {
                    _sessions.Remove(handle);
                }
            }
        }
    }
}
