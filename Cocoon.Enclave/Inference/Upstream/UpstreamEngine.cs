using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave.Inference.Upstream;

/// <summary>An OpenAI-compatible server beside the node as engine: for owners whose fleet outgrows one machine.</summary>
/// <remarks>
/// The server sees prompts, so an offer of it is always of tier <c>open</c>. Requests wait here, in order, not in the server's queue.
/// A cancelled or abandoned answer hangs up, which every supported server takes as the word to stop.
/// </remarks>
internal sealed partial class UpstreamEngine : IInferenceEngine
{
    private static readonly TimeSpan HealthInterval = TimeSpan.FromSeconds(5);

    private readonly UpstreamOptions _options;
    private readonly UpstreamClient _client;
    private readonly UpstreamServer _server;
    private readonly UpstreamTraits _traits;
    private readonly ServedModel _served;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _slots;
    private readonly CancellationTokenSource _stop = new();
    private int _inside;
    private int _parked;
    private double _prefillRate;
    private double _decodeRate;
    private long _lookedAt;
    private bool _isHealthy = true;
    private bool _isDisposed;

    private UpstreamEngine(UpstreamOptions options, UpstreamClient client, UpstreamServer server, TimeProvider time)
    {
        _options = options;
        _client = client;
        _server = server;
        _time = time;
        _traits = UpstreamTraits.Of(server.Kind);
        _slots = new SemaphoreSlim(options.Slots, options.Slots);
        _lookedAt = time.GetTimestamp();
        EngineCapabilities capabilities = EngineCapabilities.Chat | EngineCapabilities.Completion | EngineCapabilities.Logprobs | EngineCapabilities.Choices
            | EngineCapabilities.Grammar | EngineCapabilities.Tools;
        capabilities |= _traits.IsolatesTenants ? EngineCapabilities.TenantIsolation : 0;
        Info = new EngineInfo("upstream", $"{_traits.Name} {server.Version}".TrimEnd(), "", [], capabilities);
        _served = new ServedModel(
            options.OfferedName ?? server.Model, server.Manifest(), "upstream", "", 0, 0, server.ContextTokens, options.Slots, TemplateSource.None, null);
        Models = [_served];
    }

    public EngineInfo Info { get; }

    public IReadOnlyList<ServedModel> Models { get; }

    /// <summary>Looks at the server and serves its model.</summary>
    /// <exception cref="EngineException">Nothing answers, the address is not on loopback, or the model is not there.</exception>
    public static async Task<UpstreamEngine> ConnectAsync(
        UpstreamOptions options, ILogger<UpstreamEngine> logger, TimeProvider time, CancellationToken cancellationToken)
    {
        UpstreamClient client = new(options, time);
        try
        {
            UpstreamServer server = await UpstreamServer.DetectAsync(client, options, cancellationToken);
            UpstreamEngine engine = new(options, client, server, time);
            Log.Connected(logger, engine.Info.Version, server.Model, server.ContextTokens);
            if (!engine._traits.IsolatesTenants)
            {
                Log.SharedCache(logger, engine._traits.Name);
            }

            return engine;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    public async ValueTask<EngineHealth> CheckAsync(CancellationToken cancellationToken)
    {
        int inside = Volatile.Read(ref _inside);
        int busy = Math.Min(inside, _options.Slots);
        if (_time.GetElapsedTime(_lookedAt) >= HealthInterval)
        {
            _lookedAt = _time.GetTimestamp();
            _isHealthy = await _client.AnswersAsync(_traits.HealthPath, cancellationToken);
        }

        bool isHealthy = _isHealthy && !_isDisposed;
        return new EngineHealth(
            isHealthy, isHealthy ? null : "the upstream server does not answer", _options.Slots, busy, inside - busy, Volatile.Read(ref _parked),
            Volatile.Read(ref _prefillRate), Volatile.Read(ref _decodeRate));
    }

    public ValueTask<TokenCount> CountAsync(string? model, PromptInput prompt, CancellationToken cancellationToken)
    {
        _served.Require(model);
        return ValueTask.FromResult(new TokenCount(LeastTokens(prompt), _served.ContextPerRequest));
    }

    public IAsyncEnumerable<GenerationEvent> EmbedAsync(EmbeddingRequest request, CancellationToken cancellationToken) =>
        throw new EngineException(EngineErrorCode.UnsupportedParameter, "an upstream engine is offered for text only");

    public async IAsyncEnumerable<GenerationEvent> GenerateAsync(
        GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        _served.Require(request.Model);
        RequestChecks.Verify(request, int.MaxValue, RequestChecks.MaxChoices);
        ReadOnlyMemory<byte> body = UpstreamRequestWriter.Write(request, _server.Model, _traits);
        int estimate = LeastTokens(request.Prompt);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
        await EnterAsync(either.Token, cancellationToken);
        try
        {
            using GateWatch gate = new(request.Gate);
            yield return new GenerationEvent.Started(estimate, 0);
            await foreach (GenerationEvent parked in WaitAsync(gate, estimate, 0, 1, either.Token, cancellationToken))
            {
                yield return parked;
            }

            string path = request.Prompt is PromptInput.Chat ? "/v1/chat/completions" : "/v1/completions";
            long startedAt = Stopwatch.GetTimestamp();
            long firstAt = 0;
            UpstreamAnswer answer = new(request.Choices, estimate, _traits.SaltsCache);
            using HttpResponseMessage response = await _client.PostAsync(path, body, either.Token);
            await using UpstreamEventReader events = new(await response.Content.ReadAsStreamAsync(either.Token), _options.IdleTimeout, _time);
            while (await NextAsync(events, cancellationToken, either.Token) is { } chunk)
            {
                (int prompt, int completion) before = (answer.Prompt, answer.Completion);
                answer.Count(chunk);
                if (firstAt == 0 && answer.Completion > 0)
                {
                    firstAt = Stopwatch.GetTimestamp();
                    yield return new GenerationEvent.PrefillProgress(answer.Prompt, answer.Prompt);
                }
                else if (answer.Prompt > before.prompt)
                {
                    yield return new GenerationEvent.PrefillProgress(answer.Prompt, answer.Prompt);
                }

                if (answer.Completion > before.completion)
                {
                    // While this waits nothing is read, and the server's sends fill up: it pauses too, or soon will.
                    await foreach (GenerationEvent parked in WaitAsync(gate, answer.Prompt, answer.Cached, answer.Completion, either.Token, cancellationToken))
                    {
                        yield return parked;
                    }

                    yield return new GenerationEvent.Counted(answer.Completion);
                }

                foreach (GenerationEvent happened in answer.Read(chunk))
                {
                    yield return happened;
                }
            }

            if (!answer.IsComplete)
            {
                throw new EngineException(EngineErrorCode.Unavailable, "the upstream server ended the answer early");
            }

            long endedAt = Stopwatch.GetTimestamp();
            firstAt = firstAt == 0 ? endedAt : firstAt;
            GenerationEvent.Finished finished = answer.Finish(Stopwatch.GetElapsedTime(startedAt, firstAt), Stopwatch.GetElapsedTime(firstAt, endedAt));
            Learn(finished.Usage);
            yield return finished;
        }
        finally
        {
            Interlocked.Decrement(ref _inside);
            _slots.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        await _stop.CancelAsync();
        for (int i = 0; i < _options.Slots; i++)
        {
            await _slots.WaitAsync();
        }

        _client.Dispose();
    }

    private async ValueTask EnterAsync(CancellationToken either, CancellationToken cancellationToken)
    {
        if (Interlocked.Increment(ref _inside) > _options.Slots + _options.QueueLimit)
        {
            Interlocked.Decrement(ref _inside);
            throw new EngineException(EngineErrorCode.Overloaded, "too many requests are waiting", retryAfter: TimeSpan.FromSeconds(1));
        }

        try
        {
            await _slots.WaitAsync(either);
        }
        catch (OperationCanceledException)
        {
            Interlocked.Decrement(ref _inside);
            throw Stopped(cancellationToken);
        }
    }

    /// <summary>Until the gate lets these counts pass; says once that it waits.</summary>
    private async IAsyncEnumerable<GenerationEvent> WaitAsync(
        GateWatch gate, int prompt, int cached, int completion, [EnumeratorCancellation] CancellationToken either, CancellationToken cancellationToken)
    {
        if (gate.Allows(prompt, cached, completion))
        {
            yield break;
        }

        yield return new GenerationEvent.Parked(prompt, cached, completion);
        Interlocked.Increment(ref _parked);
        try
        {
            while (!gate.Allows(prompt, cached, completion))
            {
                await gate.WaitAsync(either);
            }
        }
        catch (OperationCanceledException)
        {
            throw Stopped(cancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref _parked);
        }
    }

    private static async ValueTask<UpstreamChunk?> NextAsync(UpstreamEventReader events, CancellationToken cancellationToken, CancellationToken either)
    {
        try
        {
            return await events.ReadAsync(either) is { } data ? UpstreamChunk.Read(data) : null;
        }
        catch (JsonException)
        {
            // Its message quotes the text at fault.
            throw new EngineException(EngineErrorCode.Internal, "the upstream server sent what is no event of an answer");
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw new EngineException(EngineErrorCode.Unavailable, "the connection to the upstream server broke");
        }
        catch (OperationCanceledException)
        {
            throw Stopped(cancellationToken);
        }
    }

    private static Exception Stopped(CancellationToken cancellationToken) => cancellationToken.IsCancellationRequested
        ? new OperationCanceledException(cancellationToken)
        : new EngineException(EngineErrorCode.Unavailable, "the engine is stopping");

    private void Learn(in TokenUsage usage)
    {
        Average(ref _prefillRate, usage.PromptTokens, usage.Prefill);
        Average(ref _decodeRate, usage.CompletionTokens - 1, usage.Decode);
    }

    private static void Average(ref double rate, int tokens, TimeSpan time)
    {
        if (tokens > 0 && time > TimeSpan.FromMilliseconds(1))
        {
            double sample = tokens / time.TotalSeconds;
            Volatile.Write(ref rate, rate == 0 ? sample : (0.8 * rate) + (0.2 * sample));
        }
    }

    /// <summary>What the prompt has at least: nothing is charged before the server counted, and nothing that it did not count.</summary>
    private static int LeastTokens(PromptInput prompt)
    {
        const int mostBytesPerToken = 16;
        return prompt switch
        {
            PromptInput.Tokens tokens => tokens.Ids.Length,
            PromptInput.Text text => Math.Max(1, Encoding.UTF8.GetByteCount(text.Value) / mostBytesPerToken),
            PromptInput.Chat chat => Math.Max(1, chat.Messages.Sum(m => Encoding.UTF8.GetByteCount(m.Content)) / mostBytesPerToken),
            _ => 1,
        };
    }

    private static partial class Log
    {
        [LoggerMessage(8131, LogLevel.Information, "upstream engine: {Server} serves {Model}, {Context} tokens of context")]
        public static partial void Connected(ILogger logger, string server, string model, int context);

        [LoggerMessage(8132, LogLevel.Warning, "{Server} keeps one prompt cache for all: a client can learn from the time to the first token whether another asked the same")]
        public static partial void SharedCache(ILogger logger, string server);
    }
}
