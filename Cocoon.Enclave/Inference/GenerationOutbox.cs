using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Cocoon.Enclave.Inference;

/// <summary>Hands one request's output from the decode thread to its reader.</summary>
/// <remarks>
/// The writer never waits and, once its buffers have grown, never allocates: what the reader has not taken yet coalesces, so memory is
/// bounded by the answer's own size. The reader makes the events. One writer, one reader.
/// </remarks>
internal sealed class GenerationOutbox
{
    private readonly ReaderSignal _signal;
    private readonly TimeProvider _time;
    private readonly Func<int, ReadOnlyMemory<byte>> _piece;
    private Content _writing;
    private Content _reading;

    // Held for some hundred instructions. A Lock that is contended for makes an event to wait with, on account of the decode thread.
    private SpinLock _gate = new(enableThreadOwnerTracking: false);

    /// <param name="readers">Where the reader goes on; <c>null</c>: the writer queues it to the thread pool.</param>
    public GenerationOutbox(int choices, TimeProvider time, Func<int, ReadOnlyMemory<byte>> piece, ReaderThread? readers = null)
    {
        _signal = new ReaderSignal(readers);
        _time = time;
        _piece = piece;
        _writing = new Content(choices);
        _reading = new Content(choices);
    }

    /// <summary>For how long output has been waiting to be taken.</summary>
    public TimeSpan Untaken
    {
        get
        {
            using (new Held(ref _gate))
            {
                return _writing.Since is { } since ? _time.GetElapsedTime(since) : TimeSpan.Zero;
            }
        }
    }

    public void Start(int promptTokens, int cachedTokens)
    {
        using (new Held(ref _gate))
        {
            _writing.Started = (promptTokens, cachedTokens);
            Mark();
        }

        _signal.Set();
    }

    public void Progress(int done, int total)
    {
        using (new Held(ref _gate))
        {
            _writing.Parked = null;
            _writing.Progress = (done, total);
            Mark();
        }

        _signal.Set();
    }

    public void Park(int promptTokens, int cachedTokens, int completionTokens)
    {
        using (new Held(ref _gate))
        {
            _writing.Parked = (promptTokens, cachedTokens, completionTokens);
            Mark();
        }

        _signal.Set();
    }

    /// <summary>One generated token and whatever text may be shown with it.</summary>
    public void Append(int choice, int token, ReadOnlySpan<byte> text, in LogprobRow logprobs)
    {
        using (new Held(ref _gate))
        {
            _writing.Parked = null;
            ChoiceContent content = _writing.Choices[choice];
            content.Tokens.Add(token);
            content.Text.AddRange(text);
            if (logprobs.Requested)
            {
                content.AddLogprobs(logprobs);
            }

            Mark();
        }

        _signal.Set();
    }

    /// <summary>Text that was held back and is shown after all, with no new token.</summary>
    public void AppendText(int choice, ReadOnlySpan<byte> text)
    {
        if (text.IsEmpty)
        {
            return;
        }

        using (new Held(ref _gate))
        {
            _writing.Choices[choice].Text.AddRange(text);
            Mark();
        }

        _signal.Set();
    }

    public void FinishChoice(int choice, FinishReason reason, string? matchedStop)
    {
        using (new Held(ref _gate))
        {
            _writing.Choices[choice].Finished = (reason, matchedStop);
            Mark();
        }

        _signal.Set();
    }

    /// <summary>The last thing written: an end or an error. Later calls change nothing.</summary>
    public void Complete(GenerationEvent.Finished? finished, Exception? error)
    {
        using (new Held(ref _gate))
        {
            if (_writing.Ended)
            {
                return;
            }

            _writing.Parked = null;
            _writing.Ended = true;
            _writing.Finished = finished;
            _writing.Error = error;
        }

        _signal.Set();
    }

    /// <summary>All events up to the end. An error comes after everything that was written before it.</summary>
    public async IAsyncEnumerable<GenerationEvent> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using CancellationTokenRegistration wake = cancellationToken.UnsafeRegister(static s => ((ReaderSignal)s!).Set(), _signal);
        while (true)
        {
            await _signal.WaitAsync();
            cancellationToken.ThrowIfCancellationRequested();
            Content taken = Swap();
            if (taken.Started is { } started)
            {
                yield return new GenerationEvent.Started(started.Prompt, started.Cached);
            }

            if (taken.Progress is { } progress)
            {
                yield return new GenerationEvent.PrefillProgress(progress.Done, progress.Total);
            }

            for (int choice = 0; choice < taken.Choices.Length; choice++)
            {
                ChoiceContent content = taken.Choices[choice];
                if (content.Tokens.Count > 0 || content.Text.Count > 0)
                {
                    yield return new GenerationEvent.Text(
                        choice,
                        Encoding.UTF8.GetString(CollectionsMarshal.AsSpan(content.Text)),
                        ImmutableArray.Create(CollectionsMarshal.AsSpan(content.Tokens)),
                        content.TakeLogprobs(_piece));
                }

                if (content.Finished is { } ended)
                {
                    yield return new GenerationEvent.ChoiceFinished(choice, ended.Reason, ended.MatchedStop);
                }
            }

            if (taken.Parked is { } parked)
            {
                yield return new GenerationEvent.Parked(parked.Prompt, parked.Cached, parked.Completion);
            }

            if (taken.Ended)
            {
                if (taken.Error is not null)
                {
                    throw taken.Error;
                }

                yield return taken.Finished!;
                yield break;
            }

            taken.Clear();
        }
    }

    private Content Swap()
    {
        using (new Held(ref _gate))
        {
            (_writing, _reading) = (_reading, _writing);
            // The end stays visible to the writer, which must not write after it.
            _writing.Ended = _reading.Ended;
            return _reading;
        }
    }

    private void Mark() => _writing.Since ??= _time.GetTimestamp();

    private readonly ref struct Held
    {
        private readonly ref SpinLock _gate;

        public Held(ref SpinLock gate)
        {
            _gate = ref gate;
            bool isTaken = false;
            _gate.Enter(ref isTaken);
        }

        public void Dispose() => _gate.Exit();
    }

    private sealed class Content
    {
        public Content(int choices)
        {
            Choices = new ChoiceContent[choices];
            for (int i = 0; i < choices; i++)
            {
                Choices[i] = new ChoiceContent();
            }
        }

        public (int Prompt, int Cached)? Started { get; set; }

        public (int Done, int Total)? Progress { get; set; }

        public (int Prompt, int Cached, int Completion)? Parked { get; set; }

        public ChoiceContent[] Choices { get; }

        public bool Ended { get; set; }

        public GenerationEvent.Finished? Finished { get; set; }

        public Exception? Error { get; set; }

        public long? Since { get; set; }

        public void Clear()
        {
            (Started, Progress, Parked, Since) = (null, null, null, null);
            foreach (ChoiceContent choice in Choices)
            {
                choice.Clear();
            }
        }
    }

    private sealed class ChoiceContent
    {
        private readonly List<(int Token, float Logprob, int Top)> _logprobs = [];
        private readonly List<(int Token, float Logprob)> _top = [];

        public List<byte> Text { get; } = [];

        public List<int> Tokens { get; } = [];

        public (FinishReason Reason, string? MatchedStop)? Finished { get; set; }

        public void AddLogprobs(in LogprobRow row)
        {
            _logprobs.Add((row.Token, row.Logprob, row.TopTokens.Length));
            for (int i = 0; i < row.TopTokens.Length; i++)
            {
                _top.Add((row.TopTokens[i], row.TopLogprobs[i]));
            }
        }

        public ImmutableArray<TokenLogprobs> TakeLogprobs(Func<int, ReadOnlyMemory<byte>> piece)
        {
            if (_logprobs.Count == 0)
            {
                return [];
            }

            ImmutableArray<TokenLogprobs>.Builder all = ImmutableArray.CreateBuilder<TokenLogprobs>(_logprobs.Count);
            int at = 0;
            foreach ((int token, float logprob, int count) in _logprobs)
            {
                ImmutableArray<TokenLogprob>.Builder top = ImmutableArray.CreateBuilder<TokenLogprob>(count);
                for (int i = 0; i < count; i++, at++)
                {
                    top.Add(new TokenLogprob(_top[at].Token, piece(_top[at].Token), _top[at].Logprob));
                }

                all.Add(new TokenLogprobs(new TokenLogprob(token, piece(token), logprob), top.MoveToImmutable()));
            }

            return all.MoveToImmutable();
        }

        public void Clear()
        {
            Text.Clear();
            Tokens.Clear();
            _logprobs.Clear();
            _top.Clear();
            Finished = null;
        }
    }
}

/// <summary>Log-probabilities of one generated token, in the decode thread's scratch: valid during the call only.</summary>
internal readonly ref struct LogprobRow(int token, float logprob, ReadOnlySpan<int> topTokens, ReadOnlySpan<float> topLogprobs)
{
    public bool Requested { get; } = true;

    public int Token { get; } = token;

    public float Logprob { get; } = logprob;

    public ReadOnlySpan<int> TopTokens { get; } = topTokens;

    public ReadOnlySpan<float> TopLogprobs { get; } = topLogprobs;
}
