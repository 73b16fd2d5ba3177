using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using Cocoon.Enclave.Inference.Sampling;
using Cocoon.Enclave.Inference.Templates;
using Cocoon.Enclave.Models;
using LLama;
using LLama.Batched;
using LLama.Common;
using LLama.Native;

namespace Cocoon.Enclave.Inference.LLamaSharp;

/// <summary>LLamaSharp's <see cref="BatchedExecutor"/> behind our seam.</summary>
/// <remarks>
/// One loop owns executor and conversations. A conversation is disposed only when nothing of it waits in the executor's queue: its
/// sequence would be given to the next one with somebody else's tokens still on their way. Nothing is cached between requests.
/// </remarks>
internal sealed class LLamaSharpEngine : IInferenceEngine
{
    private const int QueueLimit = 64;

    private readonly LLamaWeights _weights;
    private readonly BatchedExecutor _executor;
    private readonly ServedModel _served;
    private readonly ChatTemplate? _template;
    private readonly TimeProvider _time;
    private readonly SamplerScratch _scratch;
    private readonly Channel<LLamaSharpJob> _inbox = Channel.CreateUnbounded<LLamaSharpJob>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stop = new();
    private readonly List<LLamaSharpJob> _waiting = [];
    private readonly List<LLamaSharpJob> _running = [];
    private readonly Task _loop;
    private int _inside;
    private string? _problem;

    private LLamaSharpEngine(LLamaWeights weights, BatchedExecutor executor, ModelFiles files, string name, int slots, int context, TimeProvider time)
    {
        _weights = weights;
        _executor = executor;
        _time = time;
        int vocabulary = weights.Vocab.Count;
        _scratch = new SamplerScratch(vocabulary);
        Info = new EngineInfo(
            "LLamaSharp", typeof(LLamaWeights).Assembly.GetName().Version?.ToString() ?? "", "", [],
            EngineCapabilities.Chat | EngineCapabilities.Completion | EngineCapabilities.LogitBias | EngineCapabilities.Choices | EngineCapabilities.TenantIsolation);
        string? warning = null;
        _template = files.Template is { } source ? ChatTemplate.TryCreate(source, Text(weights.Vocab.BOS), Text(weights.Vocab.EOS), time, out warning) : null;
        _served = new ServedModel(
            name, files.Manifest, files.Head.Architecture, ModelDescription.Quantization(files.Head), weights.ParameterCount, vocabulary, context, slots,
            _template is null ? TemplateSource.ChatMlFallback : TemplateSource.Model, _template is null ? warning ?? "the model has no chat template; ChatML is used instead" : null);
        Models = [_served];
        _loop = Task.Run(RunAsync);
    }

    public EngineInfo Info { get; }

    public IReadOnlyList<ServedModel> Models { get; }

    /// <param name="context">Tokens of each request.</param>
    /// <param name="threads">0: all cores but one.</param>
    /// <param name="gpuLayers">-1: all.</param>
    /// <exception cref="GgufException">The file must not be loaded.</exception>
    public static async Task<LLamaSharpEngine> LoadAsync(
        string path, string name, int slots, int context, int threads, int gpuLayers, TimeProvider time, CancellationToken cancellationToken)
    {
        ModelFiles files = await ModelFiles.OpenAsync(path, null, cancellationToken);
        ModelParams parameters = new(path)
        {
            ContextSize = checked((uint)(slots * context)),
            SeqMax = (uint)slots,
            GpuLayerCount = gpuLayers < 0 ? int.MaxValue : gpuLayers,
            Threads = threads > 0 ? threads : Math.Max(1, Environment.ProcessorCount - 1),
        };
        LLamaWeights weights = await LLamaWeights.LoadFromFileAsync(parameters, cancellationToken);
        return new LLamaSharpEngine(weights, new BatchedExecutor(weights, parameters), files, name, slots, Math.Min(context, weights.ContextSize), time);
    }

    public ValueTask<EngineHealth> CheckAsync(CancellationToken cancellationToken)
    {
        int inside = Volatile.Read(ref _inside);
        int busy = Math.Min(inside, _served.Slots);
        return ValueTask.FromResult(new EngineHealth(_problem is null, _problem, _served.Slots, busy, inside - busy, 0, 0, 0));
    }

    public ValueTask<TokenCount> CountAsync(string? model, PromptInput prompt, CancellationToken cancellationToken)
    {
        _served.Require(model);
        return ValueTask.FromResult(new TokenCount(Encode(prompt).Length, _served.ContextPerRequest));
    }

    public IAsyncEnumerable<GenerationEvent> EmbedAsync(EmbeddingRequest request, CancellationToken cancellationToken) =>
        throw new EngineException(EngineErrorCode.UnsupportedParameter, "this engine makes no embeddings");

    public async IAsyncEnumerable<GenerationEvent> GenerateAsync(GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        LLamaSharpJob[] jobs = Prepare(request);
        if (Interlocked.Increment(ref _inside) > _served.Slots + QueueLimit || _stop.IsCancellationRequested)
        {
            Interlocked.Decrement(ref _inside);
            throw _stop.IsCancellationRequested
                ? new EngineException(EngineErrorCode.Unavailable, "the engine is stopping")
                : new EngineException(EngineErrorCode.Overloaded, "too many requests are waiting", retryAfter: TimeSpan.FromSeconds(1));
        }

        request.Gate?.Attach(() => _wake.Writer.TryWrite(true));
        foreach (LLamaSharpJob job in jobs)
        {
            _inbox.Writer.TryWrite(job);
        }

        _wake.Writer.TryWrite(true);
        try
        {
            await foreach (GenerationEvent happened in jobs[0].Answer.Outbox.ReadAllAsync(cancellationToken))
            {
                yield return happened;
            }
        }
        finally
        {
            request.Gate?.Attach(null);
            Interlocked.Decrement(ref _inside);
            foreach (LLamaSharpJob job in jobs)
            {
                job.IsCancelled = true;
            }

            _wake.Writer.TryWrite(true);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _wake.Writer.TryWrite(true);
        await _loop;
        _executor.Dispose();
        _weights.Dispose();
    }

    private LLamaSharpJob[] Prepare(GenerationRequest request)
    {
        _served.Require(request.Model);
        RequestChecks.Verify(request, _served.VocabularySize, _served.Slots);
        if (request.Constraint is not null || request.Sampling.Logprobs)
        {
            throw new EngineException(EngineErrorCode.UnsupportedParameter, "this engine has neither structured output nor log-probabilities");
        }

        LLamaToken[] prompt = Encode(request.Prompt);
        if (prompt.Length == 0 || prompt.Length >= _served.ContextPerRequest)
        {
            throw prompt.Length == 0
                ? new EngineException(EngineErrorCode.InvalidRequest, "the prompt is empty")
                : new EngineException(EngineErrorCode.ContextLengthExceeded, $"the prompt has {prompt.Length} tokens and the context {_served.ContextPerRequest}", prompt.Length, _served.ContextPerRequest);
        }

        GenerationOutbox outbox = new(request.Choices, _time, token => Piece(token));
        LLamaSharpAnswer answer = new(outbox, request.Choices, prompt.Length, Math.Min(request.MaxTokens ?? int.MaxValue, _served.ContextPerRequest - prompt.Length));
        int[] ids = [.. prompt.Select(t => (int)t)];
        return [.. Enumerable.Range(0, request.Choices).Select(i => new LLamaSharpJob(request, prompt, i, new TokenSampler(request.Sampling, _served.VocabularySize, i, ids), answer))];
    }

    private LLamaToken[] Encode(PromptInput input)
    {
        switch (input)
        {
            case PromptInput.Tokens tokens:
                return tokens.Ids.All(id => id >= 0 && id < _served.VocabularySize)
                    ? [.. tokens.Ids.Select(id => (LLamaToken)id)]
                    : throw new EngineException(EngineErrorCode.InvalidRequest, "a token id is outside the vocabulary");
            case PromptInput.Text text:
                return _weights.Tokenize(text.Value, true, false, Encoding.UTF8);
            case PromptInput.Chat chat:
                RenderedPrompt rendered = _template is null ? ChatMlTemplate.Render(chat.Messages) : _template.Render(chat);
                // Special tokens are looked for in what the template wrote only, never in what people wrote.
                return [.. rendered.Segments.SelectMany((segment, i) => _weights.Tokenize(segment.Text, false, !segment.IsInput, Encoding.UTF8))];
            default:
                throw new ArgumentException("unknown prompt kind", nameof(input));
        }
    }

    private async Task RunAsync()
    {
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                while (_inbox.Reader.TryRead(out LLamaSharpJob? job))
                {
                    _waiting.Add(job);
                }

                Admit();
                Feed();
                if (_executor.BatchedTokenCount == 0)
                {
                    await _wake.Reader.ReadAsync(_stop.Token);
                    continue;
                }

                DecodeResult result = await _executor.Infer(_stop.Token);
                if (result != DecodeResult.Ok)
                {
                    throw new EngineException(EngineErrorCode.Internal, $"decoding failed: {result}");
                }

                Collect();
            }
        }
        catch (OperationCanceledException)
        {
            // Disposal.
        }
        catch (Exception e)
        {
            // Edge of the loop: nothing runs any more, and the health says why.
            _problem = e is EngineException ? e.Message : e.GetType().Name;
            await _stop.CancelAsync();
        }

        foreach (LLamaSharpJob job in _running.Concat(_waiting))
        {
            job.Answer.Outbox.Complete(null, new EngineException(EngineErrorCode.Unavailable, _problem ?? "the engine is stopping"));
        }
    }

    private void Admit()
    {
        _waiting.RemoveAll(j => j.IsCancelled);
        foreach (LLamaSharpJob job in _running.Where(j => (j.IsCancelled || j.IsDone) && j.Conversation is not { RequiresInference: true }).ToArray())
        {
            job.Conversation?.Dispose();
            _running.Remove(job);
        }

        while (_waiting.Count > 0 && _running.Count < _served.Slots)
        {
            LLamaSharpJob job = _waiting[0];
            _waiting.RemoveAt(0);
            _running.Add(job);
            if (!job.Answer.IsStarted)
            {
                job.Answer.IsStarted = true;
                job.Answer.StartedAt = Stopwatch.GetTimestamp();
                job.Answer.Outbox.Start(job.Prompt.Length, 0);
            }
        }
    }

    /// <summary>Gives the executor what each job's gate allows: its prompt, or its next token.</summary>
    private void Feed()
    {
        foreach (LLamaSharpJob job in _running)
        {
            if (job.IsCancelled || job.IsDone || job.Conversation is { RequiresInference: true })
            {
                continue;
            }

            if (job.Conversation is null && Allows(job, job.Answer.LiveChoices))
            {
                job.Conversation = _executor.Create();
                job.Conversation.Prompt(job.Prompt.AsSpan());
            }
            else if (job.Next is { } token && Allows(job, job.Answer.CompletionTokens + job.Answer.LiveChoices))
            {
                job.Next = null;
                job.Conversation!.Prompt(token);
            }
        }
    }

    private static bool Allows(LLamaSharpJob job, int completion)
    {
        bool allowed = job.Request.Gate?.TryReserve(job.Answer.PromptTokens, 0, completion) ?? true;
        if (!allowed && !job.Answer.IsParked)
        {
            job.Answer.Outbox.Park(job.Answer.PromptTokens, 0, completion);
        }

        job.Answer.IsParked = !allowed;
        return allowed;
    }

    private void Collect()
    {
        foreach (LLamaSharpJob job in _running)
        {
            if (job is { IsCancelled: false, IsDone: false, Conversation: { RequiresSampling: true } conversation })
            {
                Sample(job, conversation.Sample());
            }
        }
    }

    private void Sample(LLamaSharpJob job, ReadOnlySpan<float> logits)
    {
        LLamaSharpAnswer answer = job.Answer;
        if (answer.FirstTokenAt == 0)
        {
            answer.FirstTokenAt = Stopwatch.GetTimestamp();
            answer.Outbox.Progress(answer.PromptTokens, answer.PromptTokens);
        }

        int token = job.Sampler.Sample(logits, _scratch);
        if (token < 0)
        {
            job.IsDone = true;
            answer.Outbox.Complete(null, new EngineException(EngineErrorCode.Internal, "the model gave no usable prediction"));
            return;
        }

        job.Tokens++;
        answer.CompletionTokens++;
        bool isEnd = ((LLamaToken)token).IsEndOfGeneration(_weights.Vocab) && !job.Request.IgnoreEnd;
        answer.Outbox.Append(job.Choice, token, isEnd ? [] : job.Text.Push(Piece(token).Span), default);
        if (isEnd || job.Text.MatchedStop is not null)
        {
            Finish(job, FinishReason.Stop);
        }
        else if (job.Tokens >= answer.MaxTokens)
        {
            Finish(job, FinishReason.Length);
        }
        else
        {
            job.Next = token;
        }
    }

    private static void Finish(LLamaSharpJob job, FinishReason reason)
    {
        LLamaSharpAnswer answer = job.Answer;
        job.IsDone = true;
        if (job.Text.MatchedStop is null)
        {
            answer.Outbox.AppendText(job.Choice, job.Text.Flush());
        }

        answer.First = job.Choice == 0 ? reason : answer.First;
        answer.Outbox.FinishChoice(job.Choice, reason, job.Text.MatchedStop);
        if (--answer.LiveChoices == 0)
        {
            answer.Outbox.Complete(
                new GenerationEvent.Finished(answer.First, new TokenUsage(
                    answer.PromptTokens, 0, answer.CompletionTokens, 0,
                    Stopwatch.GetElapsedTime(answer.StartedAt, answer.FirstTokenAt), Stopwatch.GetElapsedTime(answer.FirstTokenAt))),
                null);
        }
    }

    private ReadOnlyMemory<byte> Piece(int token)
    {
        byte[] bytes = new byte[64];
        uint length = _weights.NativeHandle.TokenToSpan(token, bytes);
        if (length > bytes.Length)
        {
            bytes = new byte[length];
            length = _weights.NativeHandle.TokenToSpan(token, bytes);
        }

        return bytes.AsMemory(0, (int)length);
    }

    private string Text(LLamaToken? token) => token is { } id ? _weights.Vocab.LLamaTokenToString(id, true) ?? "" : "";
}
