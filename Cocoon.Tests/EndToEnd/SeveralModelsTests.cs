using System.Text.Json.Nodes;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>One provider with two models, each in an enclave process of its own.</summary>
public sealed class SeveralModelsTests
{
    [SetUp]
    public async Task StartAsync() => await SpecialProviders.StartAsync();

    [Test, CancelAfter(90_000)]
    public async Task Provider_WithTwoModels_OffersEachAndAnswersWithTheOneAskedFor(CancellationToken cancellationToken)
    {
        CocoonNode provider = SpecialProviders.Provider;
        JsonObject[] engines = await EnginesAsync(provider, cancellationToken);
        JsonObject[] offers = await Eventually.GetAsync(
            "the client hears of both",
            async () => (await SpecialProviders.Client.GetAsync("/control/offers", cancellationToken))["offers"]!.AsArray().OfType<JsonObject>()
                .Where(o => (string)o["peer"]! == provider.PeerId).ToArray() is { Length: 2 } both ? both : null,
            TimeSpan.FromSeconds(30), cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(engines.Select(e => (string)e["model"]!), Is.EqualTo(new[] { SpecialProviders.EmbeddingModel, SpecialProviders.CallerModel }));
            Assert.That(engines.Select(e => (int)e["slots_total"]!), Is.EqualTo(new[] { 2, 3 }), "the n-th --slots is the n-th model's");
            Assert.That(engines.Select(e => (int)e["process_id"]!), Is.Unique);
            Assert.That(offers.ToDictionary(o => (string)o["model"]!, o => (int)o["slots_total"]!), Is.EquivalentTo(new Dictionary<string, int>
            {
                [SpecialProviders.EmbeddingModel] = 2, [SpecialProviders.CallerModel] = 3,
            }));
            Assert.That(offers.Select(o => (string)o["model_id"]!), Is.Unique);
        }
    }

    [Test, CancelAfter(90_000)]
    public async Task Price_OfOneOfTwoModels_IsNamed(CancellationToken cancellationToken)
    {
        string data = SpecialProviders.Provider.DataDirectory;
        CommandResult unnamed = await CocoonProgram.RunAsync(cancellationToken, "price", "set", "--out", "0.2", "--data", data);
        CommandResult unknown = await CocoonProgram.RunAsync(cancellationToken, "price", "set", "--out", "0.2", "--model", "nobody", "--data", data);
        CommandResult same = await CocoonProgram.RunAsync(cancellationToken, "price", "set", "--out", "0.16", "--model", SpecialProviders.CallerModel, "--data", data, "-o", "json");
        Assert.That((unnamed.ExitCode, unknown.ExitCode, same.ExitCode), Is.EqualTo((2, 4, 0)), same.Error);
        Assert.That(unnamed.Error, Does.Contain(SpecialProviders.EmbeddingModel).And.Contain(SpecialProviders.CallerModel));
        Assert.That(JsonNode.Parse(same.Output)!["models"]!.AsArray().Select(m => (string)m!["prices"]!["completion_nanoton"]!), Is.All.EqualTo("160000000"));
    }

    [Test, CancelAfter(120_000)]
    public async Task Enclave_OfOneModelKilled_LeavesTheOtherAlone(CancellationToken cancellationToken)
    {
        // A provider of its own: others may be asking the shared one at this moment.
        CocoonNode provider = await SharedNetwork.Network.StartProviderAsync(
            "twins", 0.04m, 0.16m, cancellationToken, TestModel.Ensure(), "twin-one", ["--slots", "1", "--model", TestModel.Ensure(TestModelMode.Random), "--name", "twin-two"]);
        JsonObject[] before = await Eventually.GetAsync(
            "both serve",
            async () => await EnginesAsync(provider, cancellationToken) is var engines && engines.All(e => (string)e["status"]! == "ready") ? engines : null,
            TimeSpan.FromSeconds(40), cancellationToken);
        Signals.SendKill((int)before[1]["process_id"]!);
        await Eventually.GetAsync(
            "the killed one is back",
            async () => (await EnginesAsync(provider, cancellationToken))[1] is var engine
                && (string)engine["status"]! == "ready" && (int)engine["process_id"]! != (int)before[1]["process_id"]! ? engine : null,
            TimeSpan.FromSeconds(40), cancellationToken);
        JsonObject[] after = await EnginesAsync(provider, cancellationToken);
        Assert.That((int)after[0]["process_id"]!, Is.EqualTo((int)before[0]["process_id"]!));
        await CocoonNetwork.WaitForOffersAsync(SpecialProviders.Client, cancellationToken, provider);
    }

    [TestCase("--model", "cocoon-guide", "--model", "cocoon-guide")]
    [TestCase("--slots", "0")]
    [TestCase("--slots", "65")]
    [TestCase("--context", "999999")]
    [TestCase("--bond", "mine")]
    [TestCase("--work-percent", "0")]
    [TestCase("--split-mode", "diagonal")]
    [TestCase("--tensor-split", "1,x")]
    [TestCase("--name", "one", "--name", "two")]
    [TestCase("--model", "cocoon-guide", "--upstream", "http://127.0.0.1:1")]
    [CancelAfter(60_000)]
    public async Task Up_OptionsThatCannotBe_AreRefusedBeforeAnythingStarts(params string[] options)
    {
        CommandResult refused = await CocoonProgram.RunAsync(
            TestContext.CurrentContext.CancellationToken, ["up", "--data", Path.Combine(SpecialProviders.Provider.DataDirectory, "none"), .. options]);
        Assert.That(refused.ExitCode, Is.EqualTo(2), refused.Output + refused.Error);
        Assert.That(refused.Error, Does.StartWith("error: "));
    }

    [Test, CancelAfter(60_000)]
    public async Task Up_TextThatNoOfferHolds_IsRefusedBeforeAnythingStarts(CancellationToken cancellationToken)
    {
        CommandResult refused = await CocoonProgram.RunAsync(
            cancellationToken, "up", "--data", Path.Combine(SpecialProviders.Provider.DataDirectory, "none"), "--region", new string('x', 500));
        Assert.That((refused.ExitCode, refused.Error.Contains("region is too long", StringComparison.Ordinal)), Is.EqualTo((2, true)), refused.Error);
    }

    private static async Task<JsonObject[]> EnginesAsync(CocoonNode provider, CancellationToken cancellationToken) =>
        [.. (await provider.GetAsync("/control/status", cancellationToken))["engines"]!.AsArray().OfType<JsonObject>()];
}
