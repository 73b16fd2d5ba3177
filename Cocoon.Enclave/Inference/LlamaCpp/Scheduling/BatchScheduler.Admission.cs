using System.Diagnostics;

namespace Cocoon.Enclave.Inference.LlamaCpp.Scheduling;

internal sealed partial class BatchScheduler
{
    /// <summary>Frees the slots and queue places of requests that were cancelled.</summary>
    private void Retire()
    {
        if (Interlocked.Exchange(ref _cancelSeen, 0) == 0)
        {
            return;
        }

        while (_queue.TakeCancelled() is { } waiting)
        {
            Interlocked.Decrement(ref _waiting);
            End(waiting, null, new OperationCanceledException());
        }

        foreach (Slot slot in _slots)
        {
            if (slot.Job is { Cancelled: true } job)
            {
                Abandon(job, new OperationCanceledException());
            }
        }
    }

    /// <summary>Ends a request with an error and frees all its slots.</summary>
    private void Abandon(GenerationJob job, Exception error)
    {
        End(job, null, error);
        foreach (Slot slot in _slots)
        {
            if (slot.Job == job)
            {
                Release(slot);
            }
        }
    }

    /// <summary>
    /// An engine that has nothing to do waits a moment for what comes together with a request, so that all are read in one batch and
    /// answered in step: who began a step or two ahead leaves the others a batch that is not full when it ends. As long as somebody comes
    /// within a millisecond, and never longer than a twentieth of the time that reading what came will take.
    /// </summary>
    private void Gather()
    {
        if (_busy > 0 || _queue.Count == 0)
        {
            return;
        }

        long start = Stopwatch.GetTimestamp();
        int came;
        do
        {
            came = _queue.Count;
            if (came >= _slots.Length || Stopwatch.GetElapsedTime(start) + ArrivalGap > _budget.ReadingTime(_queue.PromptTokens) / 20)
            {
                return;
            }

            _wake.WaitOne(ArrivalGap);
            TakeArrivals();
        }
        while (_queue.Count > came);
    }

    private void Admit()
    {
        while (_queue.Peek() is { } job)
        {
            int free = 0;
            foreach (Slot slot in _slots)
            {
                free += slot.State == SlotState.Free ? 1 : 0;
            }

            if (free < job.Choices.Length)
            {
                return;
            }

            _queue.Take(job);
            Interlocked.Decrement(ref _waiting);
            Place(job);
        }
    }

    private void Place(GenerationJob job)
    {
        Slot leader = ChooseSlot(job, out int reusable);
        Occupy(leader, job, job.Choices[0], SlotState.Prefill);
        if (reusable == 0 || !_context.Remove(leader.Sequence, reusable))
        {
            reusable = 0;
            Clear(leader);
        }
        else
        {
            leader.Truncate(reusable);
        }

        for (int i = 1; i < job.Choices.Length; i++)
        {
            Slot sibling = ChooseSlot(null, out _);
            Clear(sibling);
            Occupy(sibling, job, job.Choices[i], SlotState.AwaitingPrompt);
        }

        job.CachedTokens = job.PromptDone = reusable;
        job.StartedAt = Stopwatch.GetTimestamp();
        job.Outbox.Start(job.Prompt.Length, reusable);
    }

    private void Occupy(Slot slot, GenerationJob job, GenerationChoice choice, SlotState state)
    {
        slot.State = state;
        slot.Job = job;
        slot.Choice = choice;
        slot.Owner = job.Request.Cache == CachePolicy.Tenant && _canTruncate ? job.Request.Tenant : null;
        Interlocked.Increment(ref _busy);
    }

    /// <summary>
    /// The free slot with the longest usable prefix of the same tenant; else one that holds nothing; else the one longest unused.
    /// Tokens of another tenant are never compared with.
    /// </summary>
    private Slot ChooseSlot(GenerationJob? job, out int reusable)
    {
        Slot? best = null;
        reusable = 0;
        foreach (Slot slot in _slots)
        {
            if (slot.State != SlotState.Free)
            {
                continue;
            }

            int common = job is not null && job.Request.Cache == CachePolicy.Tenant && slot.Owner == job.Request.Tenant ? Reusable(slot, job.Prompt) : 0;
            if (best is null || common > reusable || (common == reusable && common == 0 && Better(slot, best)))
            {
                best = slot;
                reusable = common;
            }
        }

        return best ?? throw new InvalidOperationException("no free slot");
    }

    /// <remarks>
    /// Of empty ones the first, so that those in use are neighbours: llama.cpp decodes sequences that are not in passes of their own, each
    /// over all weights.
    /// </remarks>
    private static bool Better(Slot candidate, Slot best) =>
        (candidate.Count == 0) != (best.Count == 0) ? candidate.Count == 0 : candidate.Count > 0 && candidate.LastUsed < best.LastUsed;

    /// <summary>Whole blocks of common prefix, always leaving a token to decode: its logits are needed.</summary>
    private static int Reusable(Slot slot, ReadOnlySpan<int> prompt)
    {
        int common = slot.Tokens.CommonPrefixLength(prompt[..^1]);
        return common / CacheBlock * CacheBlock;
    }

    private void Clear(Slot slot)
    {
        _context.Remove(slot.Sequence, 0);
        slot.Truncate(0);
    }

    /// <summary>Takes the slot from its request; its tokens stay only for the tenant they belong to.</summary>
    private void Release(Slot slot)
    {
        slot.State = SlotState.Free;
        slot.Job = null;
        slot.Choice = null;
        slot.OutputRow = -1;
        slot.LastUsed = _step;
        Interlocked.Decrement(ref _busy);
        if (slot.Owner is null || slot.Count < CacheBlock)
        {
            slot.Owner = null;
            Clear(slot);
        }
    }

    /// <summary>The one place where a request ends.</summary>
    private void End(GenerationJob job, FinishReason? reason, Exception? error)
    {
        if (job.Ended)
        {
            return;
        }

        job.Ended = true;
        job.Request.Gate?.Attach(null);
        foreach (GenerationChoice choice in job.Choices)
        {
            choice.Constraint?.Dispose();
        }

        long now = Stopwatch.GetTimestamp();
        GenerationEvent.Finished? finished = null;
        if (reason is { } why)
        {
            long first = job.FirstTokenAt == 0 ? now : job.FirstTokenAt;
            finished = new GenerationEvent.Finished(why, new TokenUsage(
                job.Prompt.Length, job.CachedTokens, job.CompletionTokens, 0,
                Stopwatch.GetElapsedTime(job.StartedAt, first), Stopwatch.GetElapsedTime(first, now)));
            double seconds = Stopwatch.GetElapsedTime(job.StartedAt, now).TotalSeconds;
            Volatile.Write(ref _secondsPerRequest, _secondsPerRequest + (0.2 * (seconds - _secondsPerRequest)));
        }

        job.Outbox.Complete(finished, error);
    }

    /// <summary>What was cached before a long idle time is overwritten, also when a request is what ends that time.</summary>
    private void WipeIfIdle()
    {
        if (Volatile.Read(ref _busy) > 0 || _time.GetElapsedTime(_lastBusy) < _options.IdleWipe || !Array.Exists(_slots, static s => s.Count > 0))
        {
            return;
        }

        _context.Wipe();
        foreach (Slot slot in _slots)
        {
            slot.Owner = null;
            slot.Truncate(0);
        }
    }

    /// <summary>Once per tick: readers that stopped reading.</summary>
    private void Sweep()
    {
        long now = _time.GetTimestamp();
        if (_time.GetElapsedTime(_lastSweep, now) < Tick)
        {
            return;
        }

        _lastSweep = now;
        foreach (Slot slot in _slots)
        {
            if (slot.Job is { } job && job.Outbox.Untaken > _options.ReaderTimeout)
            {
                Abandon(job, new EngineException(EngineErrorCode.ReaderStalled, $"nothing was read for {_options.ReaderTimeout.TotalSeconds:0} s"));
            }
        }
    }

    /// <summary>A decode went wrong: ends what it could have touched, and only a fatal one costs all.</summary>
    private void Fail(DecodeResult result)
    {
        if (_stopping)
        {
            return;
        }

        Log.DecodeFailed(_logger, result, _context.BatchCount);
        bool all = result is DecodeResult.Fatal or DecodeResult.Aborted;
        foreach (Slot slot in _slots)
        {
            if (slot.Job is { } job && (all || slot.InBatch > 0))
            {
                slot.Owner = null;
                Abandon(job, new EngineException(EngineErrorCode.Internal, "decoding failed"));
            }
        }

        if (all)
        {
            foreach (Slot slot in _slots)
            {
                slot.Owner = null;
                slot.Truncate(0);
            }

            LlamaContext broken = _context;
            broken.Dispose();
            Volatile.Write(ref _context, NewContext(ContextPerRequest));
        }
    }
}
