using System.Collections.Immutable;
using System.Text.Json;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.Upstream;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference.Upstream;

/// <summary>The upstream engine before servers that replay what each program sends, quirks included.</summary>
internal sealed class UpstreamEngineTests
{
    private const string Models = """{"object":"list","data":[{"id":"qwen","object":"model","max_model_len":8192}]}""";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    // Streams as the programs write them: vLLM with usage in every event, llama-server with usage beside empty choices and timings, SGLang
    // with matched_stop, Ollama with CRLF, reasoning and no usage details, and a plain server whose choices are null beside the usage.
    private static readonly Dictionary<string, string[]> Streams = new()
    {
        ["vllm"] =
        [
            """data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":{"prompt_tokens":12,"total_tokens":12,"completion_tokens":0}}""" + "\n\n",
            """data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}],"usage":{"prompt_tokens":12,"total_tokens":13,"completion_tokens":1}}""" + "\n\n",
            """data: {"id":"c","choices":[{"index":0,"delta":{"content":" wor"},"finish_reason":null}],"usage":{"prompt_tokens":12,"total_tokens":15,"completion_tokens":3}}""" + "\n\n",
            """data: {"id":"c","choices":[{"index":0,"delta":{"content":"ld"},"finish_reason":"stop","stop_reason":"END"}],"usage":{"prompt_tokens":12,"total_tokens":17,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":8}}}""" + "\n\n",
            """data: {"id":"c","choices":[],"usage":{"prompt_tokens":12,"total_tokens":17,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":8}}}""" + "\n\n",
            "data: [DONE]\n\n",
        ],
        ["llama-server"] =
        [
            ": ping\n\n",
            """data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1,"id":"c","model":"m","object":"chat.completion.chunk"}""" + "\n\n",
            """data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"Hello"}}]}""" + "\n\n",
            """data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":" world"}}]}""" + "\n\n",
            """data: {"choices":[{"finish_reason":"stop","index":0,"delta":{}}]}""" + "\n\n",
            """data: {"choices":[],"usage":{"completion_tokens":5,"prompt_tokens":12,"total_tokens":17},"timings":{"prompt_n":12,"predicted_n":5}}""" + "\n\n",
            "data: [DONE]\n\n",
        ],
        ["sglang"] =
        [
            """data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning_content":null,"tool_calls":null},"logprobs":null,"finish_reason":null,"matched_stop":null}],"usage":null}""" + "\n\n",
            """data: {"choices":[{"index":0,"delta":{"role":null,"content":"Hello world"},"finish_reason":null}],"usage":{"prompt_tokens":12,"completion_tokens":4}}""" + "\n\n",
            """data: {"choices":[{"index":0,"delta":{"role":null,"content":null},"finish_reason":"stop","matched_stop":"END"}]}""" + "\n\n",
            """data: {"choices":[],"usage":{"prompt_tokens":12,"total_tokens":17,"completion_tokens":5}}""" + "\n\n",
            "data: [DONE]\n\n",
        ],
        ["ollama"] =
        [
            """data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"hm"},"finish_reason":null}]}""" + "\r\n\r\n",
            """data:{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hello world"},"finish_reason":null}]}""" + "\r\n\r\n",
            """data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop"}]}""" + "\r\n\r\n",
            """data: {"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}}""" + "\r\n\r\n",
            "data: [DONE]\r\n\r\n",
        ],
        ["generic"] =
        [
            """data: {"choices":[{"index":0,"delta":{"content":"Hello world"}}]}""" + "\n\n",
            """data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}""" + "\n\n",
            """data: {"choices":null,"usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}}""" + "\n\n",
        ],
    };

    [TestCase("vllm", "vLLM 0.9.1", true, 8, "END", 5)]
    [TestCase("llama-server", "llama-server b6000", true, 0, null, 5)]
    [TestCase("sglang", "SGLang 0.4.9", true, 0, "END", 5)]
    [TestCase("ollama", "Ollama 0.9.0", false, 0, null, 5)]
    [TestCase("generic", "OpenAI-compatible server", false, 0, null, 5)]
    public async Task Generate_EachServersStream_GivesTheSameAnswer(string kind, string version, bool isolates, int cached, string? stop, int completion)
    {
        await using StubServer server = Stub(kind);
        await using UpstreamEngine engine = await ConnectAsync(server);
        Assert.That(engine.Info.Version, Is.EqualTo(version));
        Assert.That(engine.Info.Capabilities.HasFlag(EngineCapabilities.TenantIsolation), Is.EqualTo(isolates));
        List<GenerationEvent> events = await CollectAsync(engine, Chat());
        Assert.That(string.Concat(events.OfType<GenerationEvent.Text>().Select(t => t.Delta)), Is.EqualTo("Hello world"));
        GenerationEvent.Finished end = (GenerationEvent.Finished)events[^1];
        Assert.That(end.Reason, Is.EqualTo(FinishReason.Stop));
        Assert.That(end.Usage with { Prefill = default, Decode = default }, Is.EqualTo(new TokenUsage(12, cached, completion, kind == "ollama" ? 1 : 0, default, default)));
        Assert.That(events.OfType<GenerationEvent.ChoiceFinished>().Single().MatchedStop, Is.EqualTo(stop));
        Assert.That(events.OfType<GenerationEvent.Counted>().Last().CompletionTokens, Is.EqualTo(completion).Or.LessThan(completion));
        if (kind == "ollama")
        {
            Assert.That(events.OfType<GenerationEvent.Reasoning>().Single().Delta, Is.EqualTo("hm"));
        }
    }

    [TestCase("vllm", "cache_salt", 43)]
    [TestCase("sglang", "cache_salt", 43)]
    [TestCase("llama-server", "cache_prompt", 0)]
    public async Task Generate_TwoTenants_AreKeptApartInTheServersWords(string kind, string field, int length)
    {
        await using StubServer server = Stub(kind);
        await using UpstreamEngine engine = await ConnectAsync(server);
        TenantKey one = TenantKey.CreateRandom();
        foreach (TenantKey tenant in new[] { one, one, TenantKey.CreateRandom() })
        {
            await CollectAsync(engine, Chat() with { Tenant = tenant });
        }

        string[] said = [.. server.Asked.Select(a => a.Body.GetProperty(field).ToString())];
        Assert.That(said, Has.Length.EqualTo(3));
        if (length == 0)
        {
            Assert.That(said, Has.All.EqualTo("False"));
        }
        else
        {
            Assert.That(said[0], Has.Length.EqualTo(length));
            Assert.That(said[1], Is.EqualTo(said[0]));
            Assert.That(said[2], Is.Not.EqualTo(said[0]));
        }

        await CollectAsync(engine, Chat() with { Tenant = one, Cache = CachePolicy.None });
        if (length > 0)
        {
            Assert.That(server.Asked.Last().Body.GetProperty(field).GetString(), Is.Not.EqualTo(said[0]), "no cache policy, no common salt");
        }
    }

    [Test]
    public async Task Generate_EverythingAsked_IsWrittenInTheServersWords()
    {
        await using StubServer server = Stub("vllm");
        await using UpstreamEngine engine = await ConnectAsync(server);
        JsonElement schema = JsonDocument.Parse("""{"type":"object"}""").RootElement;
        await CollectAsync(engine, Chat() with
        {
            Prompt = new PromptInput.Chat([new ChatMessage("user", "Hi <|im_end|> ü")])
            {
                Tools = [new ChatTool("look", "looks", schema)],
                ToolChoice = ToolChoiceMode.Function,
                ToolChoiceFunction = "look",
                TemplateArguments = ImmutableDictionary<string, JsonElement>.Empty.Add("enable_thinking", JsonDocument.Parse("false").RootElement),
            },
            Sampling = new SamplingOptions
            {
                Temperature = 0.5f, TopK = 7, MinP = 0.1f, RepetitionPenalty = 1.1f, Seed = 5, Logprobs = true, TopLogprobs = 2,
                LogitBias = ImmutableDictionary<int, float>.Empty.Add(3, -1),
            },
            Stop = ["END"],
            MaxTokens = 9,
            IgnoreEnd = true,
            Constraint = new OutputConstraint.JsonSchema(schema),
        });
        (string path, JsonElement body) = server.Asked.Single();
        Assert.That(path, Is.EqualTo("/v1/chat/completions"));
        Assert.That(
            body.EnumerateObject().Select(p => p.Name),
            Is.EquivalentTo(new[]
            {
                "model", "messages", "tools", "tool_choice", "parallel_tool_calls", "chat_template_kwargs", "stream", "stream_options", "temperature", "top_p",
                "max_tokens", "seed", "stop", "logit_bias", "logprobs", "top_logprobs", "top_k", "min_p", "ignore_eos", "repetition_penalty", "response_format", "cache_salt",
            }));
        Assert.That(body.GetProperty("messages")[0].GetProperty("content").GetString(), Is.EqualTo("Hi <|im_end|> ü"));
        Assert.That(body.GetProperty("response_format").GetProperty("json_schema").GetProperty("strict").GetBoolean(), Is.True);
    }

    [Test]
    public async Task Generate_CancelledOrAbandoned_HangsUpOnTheServer()
    {
        foreach (bool cancels in new[] { true, false })
        {
            await using StubServer server = Stub("vllm");
            server.Answer = [.. server.Answer[..2], "|", .. server.Answer[2..]];
            await using UpstreamEngine engine = await ConnectAsync(server);
            using CancellationTokenSource cancel = new();
            try
            {
                await foreach (GenerationEvent happened in engine.GenerateAsync(Chat(), cancel.Token))
                {
                    if (happened is GenerationEvent.Text)
                    {
                        if (!cancels)
                        {
                            break;
                        }

                        await cancel.CancelAsync();
                    }
                }

                Assert.That(cancels, Is.False);
            }
            catch (OperationCanceledException)
            {
                Assert.That(cancels, Is.True);
            }

            await server.HungUp.Task.WaitAsync(Patience);
            Assert.That((await engine.CheckAsync(default)).SlotsBusy, Is.Zero);
        }
    }

    [Test]
    public async Task Generate_GateSaysNo_ReadsNoFurtherUntilItIsPaid()
    {
        await using StubServer server = Stub("vllm");
        await using UpstreamEngine engine = await ConnectAsync(server);
        TestGate gate = new(1000, 1);
        List<GenerationEvent> seen = [];
        TaskCompletionSource parked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task run = Task.Run(async () =>
        {
            await foreach (GenerationEvent happened in engine.GenerateAsync(Chat() with { Gate = gate }, CancellationToken.None))
            {
                seen.Add(happened);
                if (happened is GenerationEvent.Parked)
                {
                    parked.TrySetResult();
                }
            }
        });
        await parked.Task.WaitAsync(Patience);
        Assert.That(string.Concat(seen.OfType<GenerationEvent.Text>().Select(t => t.Delta)), Is.EqualTo("Hello"), "what was paid for and no more");
        Assert.That(seen[^1], Is.EqualTo(new GenerationEvent.Parked(12, 0, 3)));
        gate.Raise(1000, 1000);
        await run.WaitAsync(Patience);
        Assert.That(seen[^1], Is.TypeOf<GenerationEvent.Finished>());
    }

    [Test]
    public async Task Generate_ToolCalls_ComeWithNameOnceAndArgumentsInPieces()
    {
        await using StubServer server = Stub("vllm");
        server.Answer =
        [
            """data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"look","arguments":""}}]}}]}""" + "\n\n",
            """data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":null,"arguments":"{\"a\":"}}]}}]}""" + "\n\n",
            """data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}},{"id":"call_2","index":1,"function":{"name":"ask","arguments":"{}"}}]}}]}""" + "\n\n",
            """data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}""" + "\n\n",
            "data: [DONE]\n\n",
        ];
        await using UpstreamEngine engine = await ConnectAsync(server);
        List<GenerationEvent> events = await CollectAsync(engine, Chat());
        Assert.That(events.OfType<GenerationEvent.ToolCallStart>().Select(c => (c.Index, c.Id, c.Name)), Is.EqualTo(new[] { (0, "call_1", "look"), (1, "call_2", "ask") }));
        Assert.That(string.Concat(events.OfType<GenerationEvent.ToolCallArguments>().Where(c => c.Index == 0).Select(c => c.Delta)), Is.EqualTo("""{"a":1}"""));
        Assert.That(((GenerationEvent.Finished)events[^1]).Reason, Is.EqualTo(FinishReason.ToolCalls));
        Assert.That(((GenerationEvent.Finished)events[^1]).Usage.CompletionTokens, Is.GreaterThan(0), "counted although the server counted nothing");
    }

    [TestCase(400, """{"error":{"message":"This model's maximum context length is 8192 tokens. secret"}}""", EngineErrorCode.ContextLengthExceeded)]
    [TestCase(400, """{"error":{"message":"secret is malformed"}}""", EngineErrorCode.InvalidRequest)]
    [TestCase(401, "{}", EngineErrorCode.Unavailable)]
    [TestCase(429, "{}", EngineErrorCode.Overloaded)]
    [TestCase(500, "secret", EngineErrorCode.Unavailable)]
    public async Task Generate_ServerRefuses_IsItsKindOfErrorWithoutItsWords(int status, string words, EngineErrorCode code)
    {
        await using StubServer server = Stub("vllm");
        (server.Status, server.Refusal) = (status, words);
        await using UpstreamEngine engine = await ConnectAsync(server);
        EngineException? error = await Assert.ThrowsAsync<EngineException>(async () => await CollectAsync(engine, Chat()));
        Assert.That(error!.Code, Is.EqualTo(code));
        Assert.That(error.Message, Does.Not.Contain("secret"));
        Assert.That(error.RetryAfter, status == 429 ? Is.EqualTo(TimeSpan.FromSeconds(7)) : Is.Null);
    }

    [TestCase("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n", EngineErrorCode.Unavailable)]
    [TestCase("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\ndata: {\"error\":{\"message\":\"secret\"}}\n\n", EngineErrorCode.Unavailable)]
    [TestCase("error: {\"error\":{\"message\":\"secret\"}}\n\n", EngineErrorCode.Unavailable)]
    [TestCase("data: not json\n\n", EngineErrorCode.Internal)]
    [TestCase("data: [1]\n\n", EngineErrorCode.Internal)]
    [TestCase("", EngineErrorCode.Unavailable)]
    public async Task Generate_AnswerCutOrBroken_IsAnErrorNeverAnEnd(string answer, EngineErrorCode code)
    {
        await using StubServer server = Stub("generic");
        server.Answer = [answer];
        await using UpstreamEngine engine = await ConnectAsync(server);
        EngineException? error = await Assert.ThrowsAsync<EngineException>(async () => await CollectAsync(engine, Chat()));
        Assert.That(error!.Code, Is.EqualTo(code));
        Assert.That(error.Message, Does.Not.Contain("secret"));
    }

    [Test]
    public async Task Connect_NoServer_OrNotTheModel_OrNotLoopback_SaysSo()
    {
        StubServer gone = new();
        await gone.DisposeAsync();
        Assert.That((await Assert.ThrowsAsync<EngineException>(async () => await ConnectAsync(gone)))!.Code, Is.EqualTo(EngineErrorCode.Unavailable));
        await using StubServer server = Stub("vllm");
        Assert.That(
            (await Assert.ThrowsAsync<EngineException>(async () => await ConnectAsync(server, "llama")))!.Message, Does.Contain("qwen"));
        foreach (string address in new[] { "http://192.0.2.1:80/", "https://127.0.0.1/", "http://example.org/" })
        {
            UpstreamOptions options = new() { Endpoint = new Uri(address) };
            Assert.That(() => options.Address(), Throws.TypeOf<EngineException>(), address);
        }
    }

    [Test]
    public async Task Generate_ServerGoesAway_FailsAtOnceAndHealthSaysSo()
    {
        StubServer server = Stub("vllm");
        ManualTimeProvider time = new();
        await using UpstreamEngine engine = await UpstreamEngine.ConnectAsync(
            new UpstreamOptions { Endpoint = server.Endpoint }, NullLogger<UpstreamEngine>.Instance, time, CancellationToken.None);
        Assert.That((await engine.CheckAsync(default)).Healthy, Is.True);
        await server.DisposeAsync();
        EngineException? error = await Assert.ThrowsAsync<EngineException>(async () => await CollectAsync(engine, Chat()));
        Assert.That(error!.Code, Is.EqualTo(EngineErrorCode.Unavailable));
        time.Advance(TimeSpan.FromSeconds(6));
        Assert.That((await engine.CheckAsync(default)).Healthy, Is.False);
    }

    [Test]
    public async Task Generate_MoreThanSlotsAndQueue_IsOverloaded()
    {
        await using StubServer server = Stub("vllm");
        server.Answer = ["|", .. server.Answer];
        await using UpstreamEngine engine = await UpstreamEngine.ConnectAsync(
            new UpstreamOptions { Endpoint = server.Endpoint, Slots = 1, QueueLimit = 1 }, NullLogger<UpstreamEngine>.Instance, TimeProvider.System, CancellationToken.None);
        await using IAsyncEnumerator<GenerationEvent> first = engine.GenerateAsync(Chat(), default).GetAsyncEnumerator();
        Assert.That(await first.MoveNextAsync(), Is.True);
        Task<List<GenerationEvent>> second = CollectAsync(engine, Chat());
        EngineException? error = await Assert.ThrowsAsync<EngineException>(async () => await CollectAsync(engine, Chat()));
        Assert.That(error!.Code, Is.EqualTo(EngineErrorCode.Overloaded));
        server.Step.Release(2);
        while (await first.MoveNextAsync())
        {
        }

        Assert.That((await second.WaitAsync(Patience))[^1], Is.TypeOf<GenerationEvent.Finished>());
    }

    internal static StubServer Stub(string kind)
    {
        StubServer server = new() { Answer = Streams[kind] };
        server.Documents["/v1/models"] = Models;
        server.Documents["/health"] = "{}";
        (string path, string document) = kind switch
        {
            "vllm" => ("/version", """{"version":"0.9.1"}"""),
            "llama-server" => ("/props", """{"default_generation_settings":{"n_ctx":4096},"build_info":"b6000"}"""),
            "sglang" => ("/get_server_info", """{"version":"0.4.9","context_length":8192}"""),
            "ollama" => ("/api/version", """{"version":"0.9.0"}"""),
            _ => ("/nothing", "{}"),
        };
        server.Documents[path] = document;
        return server;
    }

    private static Task<UpstreamEngine> ConnectAsync(StubServer server, string? model = null) => UpstreamEngine.ConnectAsync(
        new UpstreamOptions { Endpoint = server.Endpoint, Model = model }, NullLogger<UpstreamEngine>.Instance, TimeProvider.System, CancellationToken.None);

    private static GenerationRequest Chat() => TestEngine.Chat(new ChatMessage("user", "Say hello to everybody in the world"));

    private static async Task<List<GenerationEvent>> CollectAsync(UpstreamEngine engine, GenerationRequest request)
    {
        List<GenerationEvent> events = [];
        await foreach (GenerationEvent happened in engine.GenerateAsync(request, CancellationToken.None))
        {
            events.Add(happened);
        }

        return events;
    }
}
