using Cocoon.Protocol.Enclaves;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions;
using Google.Protobuf;

namespace Cocoon.Enclave.Sessions;

/// <summary>The sessions of one enclave by their handle on the pipe. Bounded; what was opened and never started goes with its quote.</summary>
/// <remarks>Called by the pipe's one reader; sessions end on their own.</remarks>
internal sealed class SessionTable(EnclaveSessionContext context, PipeFrameWriter pipe, CancellationToken shutdown) : IAsyncDisposable
{
    public const int MaxSessions = 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, EnclaveSession> _sessions = [];
    private readonly Dictionary<ulong, Task> _endings = [];

    public int Running
    {
        get
        {
            lock (_lock)
            {
                return _endings.Count;
            }
        }
    }

    public async ValueTask OpenAsync(OpenSession open)
    {
        SessionOutput output = new(pipe, open.Handle);
        DropExpired();
        try
        {
            EnclaveSession session = EnclaveSession.Open(context, output, open.Hello.Memory, open.Quote);
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
            await new SessionOutput(pipe, start.Handle).RefusedAsync("unknown-session", shutdown);
            return;
        }

        try
        {
            session.Start(start, shutdown);
            lock (_lock)
            {
                _endings[start.Handle] = RemoveWhenDoneAsync(start.Handle, session);
            }
        }
        catch (SessionException e)
        {
            await new SessionOutput(pipe, start.Handle).RefusedAsync(e.Word, shutdown);
            await RemoveAsync(start.Handle);
        }
    }

    public EnclaveSession? Find(ulong handle)
    {
        lock (_lock)
        {
            return _sessions.GetValueOrDefault(handle);
        }
    }

    /// <summary>Forgets a session, running or not.</summary>
    public async ValueTask CloseAsync(ulong handle)
    {
        if (Find(handle) is not { } session)
        {
            return;
        }

        // A running one removes itself once it stopped; the pipe's reader does not wait for that.
        session.Close();
        if (!session.IsStarted)
        {
            await RemoveAsync(handle);
        }
    }

    public async ValueTask DisposeAsync()
    {
        EnclaveSession[] sessions;
        Task[] endings;
        lock (_lock)
        {
            sessions = [.. _sessions.Values];
            endings = [.. _endings.Values];
        }

        foreach (EnclaveSession session in sessions)
        {
            session.Close();
        }

        await Task.WhenAll(endings);
    }

    private async Task RemoveWhenDoneAsync(ulong handle, EnclaveSession session)
    {
        await session.Work;
        await RemoveAsync(handle);
    }

    private async ValueTask RemoveAsync(ulong handle)
    {
        EnclaveSession? session;
        lock (_lock)
        {
            _sessions.Remove(handle, out session);
            _endings.Remove(handle);
        }

        if (session is not null)
        {
            await session.DisposeAsync();
        }
    }

    private void DropExpired()
    {
        DateTimeOffset now = context.Time.GetUtcNow();
        lock (_lock)
        {
            foreach ((ulong handle, EnclaveSession session) in _sessions)
            {
                if (!session.IsStarted && session.ExpiresAt < now)
                {
                    _sessions.Remove(handle);
                }
            }
        }
    }
}
