using System.Runtime.CompilerServices;
using Cocoon.Enclave.Inference.Grammars;
using Cocoon.Enclave.Inference.LlamaCpp.Interop;
using Cocoon.Enclave.Inference.LlamaCpp.Scheduling;
using Cocoon.Enclave.Inference.Output;
using Cocoon.Enclave.Inference.Templates;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave.Inference.LlamaCpp;

/// <summary>The embedded engine: one model, served by llama.cpp in this process.</summary>
/// <remarks>A failed assertion in llama.cpp ends the process; the enclave is a child process for that reason among others.</remarks>
internal sealed class LlamaCppEngine : IInferenceEngine
{
    private readonly LlamaModel _model;
    private readonly BatchScheduler _scheduler;
    private readonly TimeProvider _time;
    private readonly ServedModel _served;
    private readonly ChatTemplate? _template;
    private readonly ReaderWriterLockSlim _inUse = new();
    private bool _disposed;

    private LlamaCppEngine(LoadedModel loaded, BatchScheduler scheduler, TimeProvider time)
    {
        _model = loaded.Model;
        _scheduler = scheduler;
        _time = time;
        Info = new EngineInfo(
            "llama.cpp", loaded.Runtime.Version, loaded.Runtime.Digest, loaded.Devices,
            EngineCapabilities.Chat | EngineCapabilities.Completion | EngineCapabilities.Logprobs | EngineCapabilities.LogitBias
            | EngineCapabilities.Choices | EngineCapabilities.Grammar | EngineCapabilities.Tools | EngineCapabilities.TenantIsolation);
        string? warning = null;
        Vocabulary vocabulary = _model.Vocabulary;
        _template = loaded.Files.Template is { } source ? ChatTemplate.TryCreate(source, vocabulary.BosText, vocabulary.EosText, time, out warning) : null;
        TemplateSource origin = _template is null ? TemplateSource.ChatMlFallback : loaded.Options.ChatTemplate is null ? TemplateSource.Model : TemplateSource.Override;
        _served = loaded.Describe(
            scheduler.ContextPerRequest, origin, _template is null ? warning ?? "the model has no chat template; ChatML is used instead" : null);
        Models = [_served];
    }

    /// <inheritdoc cref="BatchScheduler.Steps"/>
    internal long Steps => _scheduler.Steps;

    /// <inheritdoc cref="BatchScheduler.AllocatedBytes"/>
    internal long AllocatedBytes => _scheduler.AllocatedBytes;

    public EngineInfo Info { get; }

    public IReadOnlyList<ServedModel> Models { get; }

    /// <inheritdoc cref="LoadedModel.LoadAsync"/>
    public static Task<LlamaCppEngine> LoadAsync(
        LlamaCppOptions options, ILogger<LlamaCppEngine> logger, TimeProvider time, CancellationToken cancellationToken) =>
        LoadedModel.LoadAsync(
            options, logger, loaded => new LlamaCppEngine(loaded, new BatchScheduler(loaded.Model, options, loaded.Context, time, logger), time), cancellationToken);

    public ValueTask<EngineHealth> CheckAsync(CancellationToken cancellationToken) => ValueTask.FromResult(_scheduler.Health);

    public async IAsyncEnumerable<GenerationEvent> GenerateAsync(
        GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ChatPlan? plan = request.Prompt is PromptInput.Chat chat ? Plan(chat, request.Constraint) : null;
        GenerationJob job = Prepare(request, plan);
        cancellationToken.ThrowIfCancellationRequested();
        _scheduler.Enqueue(job);
        try
        {
            IAsyncEnumerable<GenerationEvent> said = job.Outbox.ReadAllAsync(cancellationToken);
            await foreach (GenerationEvent happened in plan is null ? said : new OutputEvents(plan, request.Choices).ReadAsync(said, cancellationToken))
            {
                yield return happened;
            }
        }
        finally
        {
            _scheduler.Cancel(job);
        }
    }

    public IAsyncEnumerable<GenerationEvent> EmbedAsync(EmbeddingRequest request, CancellationToken cancellationToken) =>
        throw new EngineException(EngineErrorCode.UnsupportedParameter, "this model has no embeddings");

    public ValueTask<TokenCount> CountAsync(string? model, PromptInput prompt, CancellationToken cancellationToken)
    {
        _served.Require(model);
        return ValueTask.FromResult(new TokenCount(Encode(prompt, prompt is PromptInput.Chat chat ? Plan(chat, null) : null).Length, _scheduler.ContextPerRequest));
    }

    public async ValueTask DisposeAsync()
    {
        await _scheduler.DisposeAsync();
        _inUse.EnterWriteLock();
        try
        {
            if (!_disposed)
            {
                _disposed = true;
                _model.Dispose();
                LlamaLog.EndServing();
            }
        }
        finally
        {
            _inUse.ExitWriteLock();
        }
    }

    private GenerationJob Prepare(GenerationRequest request, ChatPlan? plan)
    {
        request = plan is null ? request : request with { Constraint = plan.Constraint, ShowsSpecials = plan.ShowsSpecials };
        _served.Require(request.Model);
        RequestChecks.Verify(request, _model.Vocabulary.Count, _served.Slots);
        int[] prompt = Encode(request.Prompt, plan);
        int available = _scheduler.ContextPerRequest;
        if (prompt.Length == 0)
        {
            throw new EngineException(EngineErrorCode.InvalidRequest, "the prompt is empty");
        }

        if (prompt.Length >= available)
        {
            throw TooLong(prompt.Length);
        }

        int maxTokens = Math.Min(request.MaxTokens ?? int.MaxValue, available - prompt.Length);
        Func<GrammarConstraint>? constraint = null;
        if (request.Constraint is { } wanted)
        {
            GrammarProgram grammar = OutputGrammar.Compile(wanted);
            constraint = () => new GrammarConstraint(_model.Vocabulary, grammar, wanted);
        }

        return new GenerationJob(request, prompt, maxTokens, _model.Vocabulary.Count, _model.Vocabulary.PieceMemory, _time, constraint, _scheduler.Readers);
    }

    private int[] Encode(PromptInput prompt, ChatPlan? plan)
    {
        // Tokenizing runs on callers' threads and must not outlive the model.
        _inUse.EnterReadLock();
        try
        {
            return _disposed ? throw new EngineException(EngineErrorCode.Unavailable, "the engine is stopping") : EncodeInUse(prompt, plan);
        }
        finally
        {
            _inUse.ExitReadLock();
        }
    }

    private int[] EncodeInUse(PromptInput prompt, ChatPlan? plan)
    {
        switch (prompt)
        {
            case PromptInput.Tokens { Ids: var ids }:
                return ids.All(id => id >= 0 && id < _model.Vocabulary.Count)
                    ? [.. ids]
                    : throw new EngineException(EngineErrorCode.InvalidRequest, "a token id is outside the vocabulary");
            case PromptInput.Text { Value: var text }:
                RequireTokenizable(text.Length);
                return [.. PromptEncoder.EncodeText(_model.Vocabulary, text)];
            case PromptInput.Chat:
                RequireTokenizable(plan!.Prompt.Segments.Sum(s => (long)s.Text.Length));
                return [.. PromptEncoder.Encode(_model.Vocabulary, plan.Prompt)];
            default:
                throw new ArgumentException("unknown prompt kind", nameof(prompt));
        }
    }

    private ChatPlan Plan(PromptInput.Chat chat, OutputConstraint? constraint)
    {
        if (chat.Messages.IsDefaultOrEmpty)
        {
            throw new EngineException(EngineErrorCode.InvalidRequest, "messages is empty");
        }

        RequireTokenizable(chat.Messages.Sum(m => (long)m.Content.Length));
        try
        {
            return ChatPlan.Create(chat, _template, constraint);
        }
        catch (TemplateException exception)
        {
            throw new EngineException(EngineErrorCode.InvalidRequest, $"the model's chat template: {exception.Message}", inner: exception);
        }
    }

    /// <summary>Text far beyond what the context could hold is refused before work is spent on tokenizing it.</summary>
    private void RequireTokenizable(long characters)
    {
        const int mostCharactersPerToken = 32;
        if (characters > ((long)_scheduler.ContextPerRequest * mostCharactersPerToken) + 65_536)
        {
            throw TooLong(characters / 4);
        }
    }

    private EngineException TooLong(long needed) =>
        new(EngineErrorCode.ContextLengthExceeded,
            $"the prompt has {needed} tokens and the context {_scheduler.ContextPerRequest}, which must also hold the answer", needed, _scheduler.ContextPerRequest);
}
