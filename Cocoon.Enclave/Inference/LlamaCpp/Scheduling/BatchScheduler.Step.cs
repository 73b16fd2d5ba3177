using System.Diagnostics;
using Cocoon.Enclave.Inference.Sampling;

namespace Cocoon.Enclave.Inference.LlamaCpp.Scheduling;

internal sealed partial class BatchScheduler
{
    /// <summary>More prompts at once would only delay the first answer of each.</summary>
    private const int MaxPartialPrefills = 2;

    /// <summary>One token of every running answer whose gate allows it.</summary>
    private int AddDecodes(ref int parked)
    {
        int added = 0;
        foreach (Slot slot in _slots)
        {
            slot.OutputRow = -1;
            slot.InBatch = 0;
            if (slot.State != SlotState.Decode)
            {
                continue;
            }

            GenerationJob job = slot.Job!;
            if (!Allowed(job, job.PromptDone, job.CompletionTokens + job.LiveChoices))
            {
                parked++;
                continue;
            }

            slot.OutputRow = _context.Add(slot.NextToken, slot.Count, slot.Sequence, output: true);
            slot.InBatch = 1;
            added++;
        }

        return added;
    }

    /// <summary>Prompt chunks within the step's budget, shortest rest first.</summary>
    private int AddPrompts(int decoding, ref int parked)
    {
        (int reading, int rest) = Unread();
        int budget = reading >= decoding ? _budget.PromptTokensOfMany(decoding, rest) : _budget.PromptTokens(decoding);
        int added = 0;
        int partial = 0;
        while (budget > 0 && NextPrefill() is { } slot)
        {
            GenerationJob job = slot.Job!;
            rest = job.Prompt.Length - slot.Count;
            if (rest > budget && partial >= MaxPartialPrefills)
            {
                break;
            }

            int chunk = Chunk(slot, Math.Min(rest, budget));
            if (chunk == 0)
            {
                slot.InBatch = -1; // asked in this step already
                parked++;
                continue;
            }

            ReadOnlySpan<int> tokens = job.Prompt.AsSpan(slot.Count, chunk);
            bool last = chunk == rest;
            for (int i = 0; i < chunk; i++)
            {
                bool output = last && i == chunk - 1;
                int row = _context.Add(tokens[i], slot.Count + i, slot.Sequence, output);
                slot.OutputRow = output ? row : slot.OutputRow;
            }

            slot.InBatch = chunk;
            budget -= chunk;
            added += chunk;
            partial += last ? 0 : 1;
        }

        foreach (Slot slot in _slots)
        {
            slot.InBatch = Math.Max(0, slot.InBatch);
        }

        return added;
    }

    /// <summary>How many prompts are being read, and the tokens that are left of them.</summary>
    private (int Count, int Tokens) Unread()
    {
        int count = 0, tokens = 0;
        foreach (Slot slot in _slots)
        {
            if (slot.State == SlotState.Prefill)
            {
                count++;
                tokens += slot.Job!.Prompt.Length - slot.Count;
            }
        }

        return (count, tokens);
    }

    private Slot? NextPrefill()
    {
        Slot? next = null;
        int least = int.MaxValue;
        foreach (Slot slot in _slots)
        {
            if (slot.State == SlotState.Prefill && slot.InBatch == 0 && slot.Job!.Prompt.Length - slot.Count is var rest && rest < least)
            {
                next = slot;
                least = rest;
            }
        }

        return next;
    }

    /// <summary>As much of the wanted chunk as the gate allows: all of it, one block, or nothing.</summary>
    private static int Chunk(Slot slot, int wanted)
    {
        GenerationJob job = slot.Job!;
        if (AllowedPrompt(job, slot.Count + wanted, report: wanted <= CacheBlock))
        {
            return wanted;
        }

        return wanted > CacheBlock && AllowedPrompt(job, slot.Count + CacheBlock, report: true) ? CacheBlock : 0;
    }

    private static bool AllowedPrompt(GenerationJob job, int prompt, bool report)
    {
        // The end of the prompt yields the first token of every choice at once.
        int completion = prompt == job.Prompt.Length && job.MaxTokens > 0 ? job.LiveChoices : 0;
        return job.Request.Gate is not { } gate || Answer(job, gate.TryReserve(prompt, job.CachedTokens, completion), prompt, completion, report);
    }

    private bool Allowed(GenerationJob job, int prompt, int completion)
    {
        if (job.Request.Gate is not { } gate)
        {
            return true;
        }

        if (job.AskedAtStep == _step)
        {
            return !job.Parked;
        }

        job.AskedAtStep = _step;
        return Answer(job, gate.TryReserve(prompt, job.CachedTokens, completion), prompt, completion, report: true);
    }

    private static bool Answer(GenerationJob job, bool allowed, int prompt, int completion, bool report)
    {
        if (!allowed && report && !job.Parked)
        {
            job.Outbox.Park(prompt, job.CachedTokens, completion);
        }

        job.Parked = !allowed && (report || job.Parked);
        return allowed;
    }

    /// <summary>After a decode: what went into the cache is noted, and outputs become tokens.</summary>
    private void Collect(Slot slot)
    {
        if (slot.InBatch == 0)
        {
            return;
        }

        GenerationJob job = slot.Job!;
        if (slot.State == SlotState.Decode)
        {
            slot.Append([slot.NextToken]);
        }
        else
        {
            slot.Append(job.Prompt.AsSpan(slot.Count, slot.InBatch));
            job.PromptDone = slot.Count;
            if (slot.OutputRow < 0)
            {
                job.Outbox.Progress(slot.Count, job.Prompt.Length);
                return;
            }
        }

        if (job.Cancelled)
        {
            return; // retired, and its slot freed, before the next step
        }

        ReadOnlySpan<float> logits = _context.Logits(slot.OutputRow);
        if (slot.State == SlotState.Decode)
        {
            Sample(slot, logits);
            FinishIfDone(job);
            return;
        }

        job.FirstTokenAt = Stopwatch.GetTimestamp();
        foreach (Slot other in _slots)
        {
            if (other.Job != job)
            {
                continue;
            }

            if (other != slot)
            {
                _context.Copy(slot.Sequence, other.Sequence);
                other.CopyFrom(slot);
            }

            other.State = SlotState.Decode;
        }

        foreach (Slot other in _slots)
        {
            if (other.Job == job && !job.Ended)
            {
                Sample(other, logits);
            }
        }

        FinishIfDone(job);
    }

    private void Sample(Slot slot, ReadOnlySpan<float> logits)
    {
        GenerationJob job = slot.Job!;
        GenerationChoice choice = slot.Choice!;
        if (job.MaxTokens == 0)
        {
            Finish(slot, FinishReason.Length);
            return;
        }

        int token;
        try
        {
            token = logits.IsEmpty ? -1 : choice.Sampler.Sample(logits, _scratch, choice.Constraint);
        }
        catch (EngineException e)
        {
            Abandon(job, e);
            return;
        }

        if (token < 0)
        {
            Abandon(job, choice.Constraint is null || logits.IsEmpty
                ? new EngineException(EngineErrorCode.Internal, "the model gave no usable prediction")
                : new EngineException(EngineErrorCode.InvalidRequest, "no token of this model continues the answer in the required form"));
            return;
        }

        choice.Tokens++;
        job.CompletionTokens++;
        bool end = _model.Vocabulary.IsEnd(token) && (!job.Request.IgnoreEnd || choice.Constraint is not null);
        ReadOnlySpan<byte> text = end ? [] : choice.Text.Push(job.Request.ShowsSpecials ? _model.Vocabulary.SpecialPiece(token) : _model.Vocabulary.Piece(token));
        LogprobRow row = job.Request.Sampling.Logprobs ? Logprobs(logits, token, job.Request.Sampling.TopLogprobs) : default;
        job.Outbox.Append(choice.Index, token, text, row);
        if (end || choice.Text.MatchedStop is not null)
        {
            Finish(slot, FinishReason.Stop);
        }
        else if (choice.Tokens >= job.MaxTokens)
        {
            Finish(slot, FinishReason.Length);
        }
        else
        {
            slot.NextToken = token;
        }
    }

    /// <summary>Under the raw logits, before bias, penalties and temperature.</summary>
    private LogprobRow Logprobs(ReadOnlySpan<float> logits, int token, int top)
    {
        Span<float> values = _scratch.Values.AsSpan(0, Math.Max(1, top));
        Span<int> indices = _scratch.Indices.AsSpan(0, values.Length);
        int count = LogitsMath.Top(logits, values, indices);
        float max = values[0];
        float normalizer = max + (float)Math.Log(LogitsMath.SumExp(logits, max));
        for (int i = 0; i < count; i++)
        {
            values[i] -= normalizer;
        }

        count = Math.Min(count, top);
        return new LogprobRow(token, logits[token] - normalizer, indices[..count], values[..count]);
    }

    private void Finish(Slot slot, FinishReason reason)
    {
        GenerationJob job = slot.Job!;
        GenerationChoice choice = slot.Choice!;
        choice.Finished = reason;
        job.LiveChoices--;
        if (choice.Text.MatchedStop is null)
        {
            job.Outbox.AppendText(choice.Index, choice.Text.Flush());
        }

        job.Outbox.FinishChoice(choice.Index, reason, choice.Text.MatchedStop);
        Release(slot);
    }

    private void FinishIfDone(GenerationJob job)
    {
        if (job.LiveChoices == 0)
        {
            End(job, job.Choices[0].Finished, null);
        }
    }
}
