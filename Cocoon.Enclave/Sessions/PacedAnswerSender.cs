using System.Numerics;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Enclave.Sessions;

/// <summary>
/// Steady: one frame per tick, filler included, for whole blocks of two seconds. Batch: one small frame per block while it works, then
/// everything at once on a whole second, padded to a power of two. The host hears of the due only at block edges, rounded up.
/// </summary>
/// <remarks>A loop of its own sends; the caller only changes what the loop will send next.</remarks>
internal sealed class PacedAnswerSender : AnswerSender
{
    private static readonly TimeSpan BatchTick = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly Func<TokenCounts, ulong> _due;
    private readonly uint _unit;
    private readonly bool _isBatch;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _settled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly AnswerWriter _writer = new();
    private readonly DeltaMerger _merger = new();
    private readonly Task _loop;
    private TokenCounts _used;
    private TokenCounts? _wanted;

    // What the client has been told of that it waits for: the host hears of nothing else, or it would ask for money that the client does not know of.
    private TokenCounts? _announced;
    private ulong? _finalDue;
    private AnswerEvent? _started;
    private ulong _told;
    private bool _isFinalTold;
    private bool _isComplete;
    private bool _isStarted;
    private bool _isLeft;
    private bool _isDisposed;

    public PacedAnswerSender(ResponseSealer sealer, SessionOutput output, Func<TokenCounts, ulong> due, uint unit, bool isBatch, TimeProvider time)
        : base(sealer, output)
    {
        _due = due;
        _unit = unit;
        _isBatch = isBatch;
        _time = time;
        _loop = RunAsync(_stop.Token);
    }

    public override ValueTask PostAsync(AnswerEvent answer, TokenCounts used, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_isBatch && answer.BodyCase == AnswerEvent.BodyOneofCase.Started)
            {
                // Not content: the client may stop at it, so it goes with the first frame.
                _started = answer;
            }
            else
            {
                _merger.Add(answer, _writer);
            }

            _used = used;
            _wanted = null;
        }

        _begun.TrySetResult();
        return ValueTask.CompletedTask;
    }

    public override ValueTask BlockAsync(TokenCounts used, TokenCounts wanted, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _used = used;
            _wanted = wanted;
        }

        _begun.TrySetResult();
        return ValueTask.CompletedTask;
    }

    public override async Task SettleAsync(ulong due, bool isCovered, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _finalDue = due;
            _wanted = null;
        }

        _begun.TrySetResult();
        await await Task.WhenAny(_settled.Task, _loop).WaitAsync(cancellationToken);
    }

    public override async Task CompleteAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _isComplete = true;
        }

        await _loop.WaitAsync(cancellationToken);
    }

    public override void Leave()
    {
        lock (_lock)
        {
            _isLeft = true;
            if (!_isDisposed)
            {
                // Not on this thread, which reads the pipe: whoever waits for the loop would go on upon it.
                _stop.CancelAfter(TimeSpan.Zero);
            }
        }
    }

    public override async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            _isDisposed = true;
        }

        await _stop.CancelAsync();
        try
        {
            await _loop;
        }
        catch (OperationCanceledException)
        {
        }
        catch (IOException)
        {
            // The host is gone; whoever reads its end of the pipe ends the process.
        }

        _stop.Dispose();
        await base.DisposeAsync();
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await SendLoopAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (Volatile.Read(ref _isLeft))
        {
            // An end like any other: the settlement that follows says the due.
        }
    }

    private async Task SendLoopAsync(CancellationToken cancellationToken)
    {
        await _begun.Task.WaitAsync(cancellationToken);
        using PeriodicTimer timer = new(_isBatch ? BatchTick : ResponseShape.Tick, _time);
        int ticksPerBlock = (int)(ResponseShape.Block / timer.Period);
        for (int tick = 0; ; tick++)
        {
            bool isEdge = tick > 0 && tick % ticksPerBlock == 0;
            if (_isBatch ? await SendBatchAsync(isEdge, cancellationToken) : await SendSteadyAsync(isEdge, cancellationToken))
            {
                return;
            }

            await timer.WaitForNextTickAsync(cancellationToken);
        }
    }

    /// <summary><c>true</c> after the final frame.</summary>
    private async ValueTask<bool> SendSteadyAsync(bool isEdge, CancellationToken cancellationToken)
    {
        bool isFinal;
        lock (_lock)
        {
            _merger.Flush(_writer);
            if (_wanted is not null && isEdge)
            {
                AppendBlocked();
            }

            isFinal = isEdge && _isComplete && _writer.PendingFrames <= 1;
        }

        await SendAsync(_writer, 1, isFinal, isFollowed: false, cancellationToken);
        if (isEdge)
        {
            await TellHostAsync(cancellationToken);
        }

        return isFinal;
    }

    /// <inheritdoc cref="SendSteadyAsync"/>
    private async ValueTask<bool> SendBatchAsync(bool isEdge, CancellationToken cancellationToken)
    {
        int frames = 0;
        bool isFinal;
        AnswerWriter progress = new();
        lock (_lock)
        {
            isFinal = _isComplete;
            if (isFinal || (_finalDue is not null && !_isFinalTold))
            {
                AppendStarted(_writer);
                _merger.Flush(_writer);
                frames = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(1, _writer.PendingFrames));
            }
            else if (!_isStarted || (isEdge && _finalDue is null))
            {
                // What is already known of the cost, and of the content nothing.
                _isStarted = true;
                AppendStarted(progress);
                progress.Append(new AnswerEvent { Delta = Progress() });
            }
        }

        if (frames > 0)
        {
            await SendAsync(_writer, frames, isFinal, isFollowed: false, cancellationToken);
            await TellHostAsync(cancellationToken);
        }
        else if (progress.PendingFrames > 0)
        {
            await SendAsync(progress, 1, isFinal: false, isFollowed: false, cancellationToken);
            await TellHostAsync(cancellationToken);
        }

        return isFinal;
    }

    private void AppendStarted(AnswerWriter writer)
    {
        if (_started is not null)
        {
            writer.Append(_started);
            _started = null;
        }
    }

    private void AppendBlocked() => _writer.Append(new AnswerEvent { Delta = Progress() });

    private Delta Progress()
    {
        _announced = _wanted;
        return new Delta { DueNanoton = _due(_used), BlockedDue = _wanted is { } wanted ? _due(wanted.RoundUp(_unit)) : 0 };
    }

    private async ValueTask TellHostAsync(CancellationToken cancellationToken)
    {
        ulong due;
        bool isBlocked;
        bool isFinal;
        lock (_lock)
        {
            isFinal = _finalDue is not null;
            isBlocked = !isFinal && _wanted is not null && _wanted == _announced;
            due = _finalDue ?? _due((isBlocked ? _wanted!.Value : _used).RoundUp(_unit));
            if (_isFinalTold || (!isFinal && !isBlocked && due <= _told))
            {
                return;
            }

            // A frame still waiting may be the last that the client needs for the due: the host hears of the end after it.
            if (isFinal && _writer.PendingFrames > 0)
            {
                return;
            }

            _told = Math.Max(_told, due);
            _isFinalTold = isFinal;
        }

        await Output.MeteredAsync(due, isBlocked, isFinal, cancellationToken);
        if (isFinal)
        {
            _settled.TrySetResult();
        }
    }
}
