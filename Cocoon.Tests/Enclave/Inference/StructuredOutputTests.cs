using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp;
using Cocoon.Tests.Enclave.Inference.Grammars;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference;

/// <summary>Answers of a model of random weights, which would say anything, held to a form.</summary>
public sealed class StructuredOutputTests
{
    private LlamaCppEngine _engine = null!;

    [OneTimeSetUp]
    public async Task Load() => _engine = await TestEngine.LoadAsync(TestModelMode.Random, slots: 8, context: 1024);

    [OneTimeTearDown]
    public async Task Unload()
    {
        if (_engine is not null)
        {
            await _engine.DisposeAsync();
        }
    }

    [Test]
    public async Task Generate_RandomSchemas_AlwaysParseAndFit()
    {
        async Task CheckAsync(int seed)
        {
            Random random = new(seed);
            JsonObject schema = RandomSchema.Make(random);
            GenerationRequest request = TestEngine.Text("Answer", maxTokens: 900) with
            {
                Constraint = new OutputConstraint.JsonSchema(schema.Deserialize<JsonElement>()),
                Sampling = new SamplingOptions { Temperature = 1 + (seed % 3 * 0.7f), TopK = seed % 2 * 40, Seed = (ulong)seed },
                IgnoreEnd = seed % 5 == 0,
            };
            Collected answer = await _engine.CollectAsync(request);
            string context = $"seed {seed}: {schema.ToJsonString()} gave {answer.Text}";
            Assert.That(answer.Finished!.Reason, Is.EqualTo(FinishReason.Stop), context);
            JsonNode? value = null;
            Assert.That(() => value = JsonNode.Parse(answer.Text), Throws.Nothing, context);
            Assert.That(RandomSchema.Accepts(schema, value), Is.True, context);
        }

        await Parallel.ForEachAsync(Enumerable.Range(1, 120), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (seed, _) => await CheckAsync(seed));
    }

    [Test]
    public async Task Generate_JsonObject_IsABeginningOfOneOrAWholeOne()
    {
        foreach (int seed in Enumerable.Range(1, 10))
        {
            Collected answer = await _engine.CollectAsync(TestEngine.Text("{", maxTokens: 200) with
            {
                Constraint = new OutputConstraint.JsonObject(),
                Sampling = new SamplingOptions { Seed = (ulong)seed },
            });
            Assert.That(answer.Text, Does.StartWith("{"));
            if (answer.Finished!.Reason == FinishReason.Stop)
            {
                Assert.That(() => JsonNode.Parse(answer.Text), Throws.Nothing);
            }
        }
    }

    [Test]
    public async Task Generate_SeveralChoices_EachHeldToTheForm()
    {
        Collected answer = await _engine.CollectAsync(TestEngine.Text("Pick") with
        {
            Choices = 4,
            Constraint = new OutputConstraint.Gbnf("root ::= \"yes\" | \"no\" | \"maybe\""),
            Sampling = new SamplingOptions { Seed = 3 },
        });
        Assert.That(answer.Texts.Distinct(), Is.SubsetOf(new[] { "yes", "no", "maybe" }));
        Assert.That(answer.Ends.Select(e => e.Reason), Has.All.EqualTo(FinishReason.Stop));
    }

    [Test]
    public async Task Generate_WithTrigger_IsFreeBeforeAndHeldAfter()
    {
        // The bias makes the trigger likely; what follows it is the grammar's.
        Collected answer = await _engine.CollectAsync(TestEngine.Text("Think", maxTokens: 400) with
        {
            Constraint = new OutputConstraint.Gbnf("root ::= \"=\" [0-9]{3}") { Triggers = ["e"] },
            Sampling = new SamplingOptions { Seed = 11 },
        });
        Assert.That(answer.Finished!.Reason, Is.EqualTo(FinishReason.Stop));
        Assert.That(answer.Text, Does.Match(@"(?s)\A[^e]*e=[0-9]{3}\z"));
    }

    [Test]
    public async Task Generate_NoTriggerYet_MayEndOnlyWhenOptional()
    {
        await using LlamaCppEngine sentence = await TestEngine.LoadAsync(slots: 1);
        OutputConstraint.Gbnf never = new("root ::= \"x\"") { Triggers = ["<never>"] };
        GenerationRequest request = TestEngine.Chat(new ChatMessage("user", "Hi")) with { MaxTokens = 60 };
        Collected optional = await sentence.CollectAsync(request with { Constraint = never with { IsOptional = true } });
        Assert.That(optional.Text, Is.EqualTo(TestModel.Sentence));
        Collected needed = await sentence.CollectAsync(request with { Constraint = never });
        Assert.That(needed.Finished!.Reason, Is.EqualTo(FinishReason.Length), "the answer must not end before what is asked for");
    }

    [Test]
    public async Task Generate_GreedyUnderAGrammar_TakesTheLikeliestThatFits()
    {
        GenerationRequest request = TestEngine.Text("Letters", maxTokens: 8) with
        {
            Constraint = new OutputConstraint.Gbnf("root ::= [a-z]{5}"),
        };
        Collected first = await _engine.CollectAsync(request with { Sampling = SamplingOptions.Greedy with { Logprobs = true, TopLogprobs = 5 } });
        Collected second = await _engine.CollectAsync(request);
        Assert.That(first.Text, Does.Match("^[a-z]{5}$"));
        Assert.That(second.Text, Is.EqualTo(first.Text));
        Assert.That(first.Logprobs, Has.Count.EqualTo(first.Tokens[0].Count), "log-probabilities stay those of the model");
    }

    [TestCase("""{"type":"object","patternProperties":{}}""")]
    [TestCase("""{"$ref":"#"}""")]
    public async Task Generate_SchemaThatCannotBeUsed_IsTheClientsError(string schema)
    {
        GenerationRequest request = TestEngine.Text("x") with { Constraint = new OutputConstraint.JsonSchema(JsonDocument.Parse(schema).RootElement) };
        EngineException? error = await Assert.ThrowsAsync<EngineException>(async () => await _engine.CollectAsync(request));
        Assert.That(error!.Code, Is.EqualTo(EngineErrorCode.InvalidRequest));
        Assert.That(error.Message, Does.Not.Contain("patternProperties\":{"));
    }

    [Test]
    public async Task Generate_CancelledUnderAGrammar_FreesTheSlot()
    {
        for (int i = 0; i < 16; i++)
        {
            await foreach (GenerationEvent happened in _engine.GenerateAsync(
                TestEngine.Text("x", maxTokens: 500) with { Constraint = new OutputConstraint.JsonSchema(JsonDocument.Parse("""{"type":"string","minLength":400,"maxLength":400}""").RootElement) },
                CancellationToken.None))
            {
                if (happened is GenerationEvent.Text)
                {
                    break;
                }
            }
        }

        Collected all = await _engine.CollectAsync(TestEngine.Text("x", maxTokens: 2) with { Choices = 8 });
        Assert.That(all.Ends, Has.Length.EqualTo(8), "every slot is free again");
    }
}
