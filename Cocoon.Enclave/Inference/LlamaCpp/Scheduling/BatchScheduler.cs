using System.Collections.Concurrent;
using System.Diagnostics;
using Cocoon.Enclave.Inference.Sampling;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave.Inference.LlamaCpp.Scheduling;

/// <summary>Continuous batching on one thread: each step decodes one token of every running answer and a share of waiting prompts.</summary>
/// <remarks>
/// All state belongs to the decode thread. Others only enqueue, cancel and wake. A step admits, asks gates, fills a batch (answers first,
/// then prompts, shortest rest first), decodes, and samples. Nothing on that path waits for a reader or a gate, and nothing allocates
/// once buffers have grown, except when requests come and go.
/// </remarks>
internal sealed partial class BatchScheduler : IAsyncDisposable
{
    /// <summary>Reuse and its discount are counted in whole blocks, so that neither tells more about a prompt's end than that.</summary>
    public const int CacheBlock = 64;

    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    /// <summary>Longest time of doing nothing before the decode thread looks up. Own choice: nobody notices it, and it costs nothing.</summary>
    private static readonly TimeSpan MaxRest = TimeSpan.FromMilliseconds(50);

    private static readonly TimeSpan ArrivalGap = TimeSpan.FromMilliseconds(1);

    private readonly LlamaModel _model;
    private readonly LlamaCppOptions _options;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly ConcurrentQueue<GenerationJob> _inbox = new();
    private readonly AutoResetEvent _wake = new(false);
    private readonly ReaderThread _readers = new();
    private readonly Action _wakeAction;
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly FairQueue _queue = new();
    private readonly Slot[] _slots;
    private readonly SamplerScratch _scratch;
    private readonly StepBudget _budget;
    private readonly ManualResetEvent _stopSeen = new(false);
    private readonly bool _canTruncate;
    private LlamaContext _context;
    private int _waiting;
    private int _cancelSeen;
    private volatile bool _stopping;
    private volatile string? _problem;
    private int _busy;
    private int _parked;
    private long _step;
    private long _batches;
    private long _allocated;
    private long _lastBusy;
    private long _lastSweep;
    private double _secondsPerRequest = 1;

    public BatchScheduler(LlamaModel model, LlamaCppOptions options, int contextPerRequest, TimeProvider time, ILogger logger)
    {
        _model = model;
        _options = options;
        _time = time;
        _logger = logger;
        _context = NewContext(contextPerRequest);
        _canTruncate = model.CanTruncate;
        _slots = new Slot[options.Slots];
        for (int i = 0; i < _slots.Length; i++)
        {
            _slots[i] = new Slot(i, _context.ContextPerSequence);
        }

        _scratch = new SamplerScratch(model.Vocabulary.Count);
        _budget = new StepBudget(_context.BatchCapacity, options.StepTarget);
        _wakeAction = () => _wake.Set();
        ContextPerRequest = _context.ContextPerSequence;
        _lastBusy = _lastSweep = time.GetTimestamp();
        Thread thread = new(Run) { Name = "decode", IsBackground = true };
        thread.Start();
    }

    /// <summary>Tokens each request really has.</summary>
    public int ContextPerRequest { get; }

    /// <summary>Through which the answers of this engine reach who reads them.</summary>
    public ReaderThread Readers => _readers;

    /// <summary>Batches so far: the engine's own clock.</summary>
    internal long Steps => Volatile.Read(ref _batches);

    /// <summary>Managed bytes that the decode thread has allocated until the end of its latest step.</summary>
    internal long AllocatedBytes => Volatile.Read(ref _allocated);

    public EngineHealth Health =>
        new(_problem is null && !_stopping, _problem ?? (_stopping ? "stopping" : null), _slots.Length, Volatile.Read(ref _busy), Volatile.Read(ref _waiting),
            Volatile.Read(ref _parked), _budget.PrefillTokensPerSecond * _options.WorkPercent / 100, _budget.DecodeTokensPerSecond * _options.WorkPercent / 100);

    /// <summary>Hands a request to the decode thread.</summary>
    /// <exception cref="EngineException">The queue is full, or the engine is stopping or broken.</exception>
    public void Enqueue(GenerationJob job)
    {
        ThrowIfUnavailable();
        int waiting = Interlocked.Increment(ref _waiting);
        if (waiting > _options.QueueLimit)
        {
            Interlocked.Decrement(ref _waiting);
            double seconds = Math.Clamp(Volatile.Read(ref _secondsPerRequest) * waiting / _slots.Length, 1, 60);
            throw new EngineException(
                EngineErrorCode.Overloaded, $"{waiting - 1} requests are waiting", waiting, _options.QueueLimit, TimeSpan.FromSeconds(Math.Ceiling(seconds)));
        }

        job.EnqueuedAt = Stopwatch.GetTimestamp();
        job.Request.Gate?.Attach(_wakeAction);
        _inbox.Enqueue(job);
        _wake.Set();

        // The thread may have emptied the inbox for the last time between the check above and the enqueueing.
        if (_stopping || _problem is not null)
        {
            job.Outbox.Complete(null, Unavailable());
        }
    }

    /// <summary>Gives up a request; its slot is free within one step. Idempotent, also after its end.</summary>
    public void Cancel(GenerationJob job)
    {
        if (job.Cancel())
        {
            Volatile.Write(ref _cancelSeen, 1);
            _wake.Set();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _stopping = true;
        Volatile.Read(ref _context).Abort();
        _wake.Set();
        _stopSeen.Set();
        await _stopped.Task;
    }

    private void Run()
    {
        try
        {
            while (!_stopping)
            {
                bool worked = Step(out int parked);
                Volatile.Write(ref _allocated, GC.GetAllocatedBytesForCurrentThread());
                Volatile.Write(ref _parked, parked);
                if (!worked)
                {
                    WaitForWork();
                }
            }
        }
        catch (Exception exception)
        {
            _problem = "the decode thread failed; restart the worker";
            Log.DecodeThreadFailed(_logger, exception);
        }
        finally
        {
            _stopping = true;
            EndAll();
            _readers.Dispose();
            _context.Dispose();
            _stopped.SetResult();
        }
    }

    /// <returns>Whether anything was decoded.</returns>
    private bool Step(out int parked)
    {
        TakeArrivals();
        Gather();
        Retire();
        WipeIfIdle();
        Admit();
        Sweep();
        _step++;
        _context.BeginBatch();
        parked = 0;
        int decoding = AddDecodes(ref parked);
        int prompt = AddPrompts(decoding, ref parked);
        if (decoding + prompt == 0)
        {
            return false;
        }

        _batches++;
        long before = Stopwatch.GetTimestamp();
        DecodeResult result = _context.Decode();
        _lastBusy = _time.GetTimestamp();
        if (result != DecodeResult.Done)
        {
            Fail(result);
            return true;
        }

        TimeSpan worked = Stopwatch.GetElapsedTime(before);
        _budget.Learn(worked, prompt, decoding);
        _readers.Hold();
        foreach (Slot slot in _slots)
        {
            Collect(slot);
        }

        _readers.Release();
        if (_options.WorkPercent < 100)
        {
            RestAfter(worked);
        }

        return true;
    }

    private void TakeArrivals()
    {
        while (_inbox.TryDequeue(out GenerationJob? job))
        {
            _queue.Add(job);
        }
    }

    /// <summary>In pieces: who is cancelled meanwhile goes, and who comes has the place.</summary>
    private void RestAfter(TimeSpan worked)
    {
        foreach (TimeSpan piece in Pieces(Rest(worked, _options.WorkPercent)))
        {
            if (_stopSeen.WaitOne(piece))
            {
                return;
            }

            TakeArrivals();
            Retire();
            Admit();
        }
    }

    internal static IEnumerable<TimeSpan> Pieces(TimeSpan rest)
    {
        for (; rest > TimeSpan.Zero; rest -= MaxRest)
        {
            yield return rest < MaxRest ? rest : MaxRest;
        }
    }

    /// <summary>How long to do nothing after a step, so that steps take no more than their share of the time.</summary>
    internal static TimeSpan Rest(TimeSpan worked, int percent) => worked * ((100.0 - percent) / percent);

    private void WaitForWork()
    {
        bool somebody = Volatile.Read(ref _busy) > 0 || _queue.Count > 0 || Array.Exists(_slots, static s => s.Count > 0);
        _wake.WaitOne(somebody ? Tick : Timeout.InfiniteTimeSpan);
    }

    private LlamaContext NewContext(int contextPerRequest) =>
        new(_model, _options.Slots, contextPerRequest, _options.BatchTokens, _options.EffectiveThreads);

    private void ThrowIfUnavailable()
    {
        if (_stopping || _problem is not null)
        {
            throw Unavailable();
        }
    }

    private EngineException Unavailable() => new(EngineErrorCode.Unavailable, _problem ?? "the engine is stopping");

    private void EndAll()
    {
        TakeArrivals();
        foreach (GenerationJob job in _queue.TakeAll())
        {
            Interlocked.Decrement(ref _waiting);
            End(job, null, Unavailable());
        }

        foreach (Slot slot in _slots)
        {
            if (slot.Job is { } job)
            {
                End(job, null, Unavailable());
            }

            slot.Job = null;
            slot.Truncate(0);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(8121, LogLevel.Error, "decode thread failed")]
        public static partial void DecodeThreadFailed(ILogger logger, Exception exception);

        [LoggerMessage(8122, LogLevel.Error, "llama.cpp decode returned {Result} with {Tokens} tokens in the batch")]
        public static partial void DecodeFailed(ILogger logger, DecodeResult result, int tokens);
    }
}
