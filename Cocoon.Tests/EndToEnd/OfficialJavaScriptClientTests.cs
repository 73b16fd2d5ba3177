using System.Diagnostics;
using System.Text.Json.Nodes;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>The <c>openai</c> package of npm against the light client's API.</summary>
public sealed class OfficialJavaScriptClientTests
{
    private static readonly string s_folder = Path.Combine(TestPaths.RepositoryRoot, "scripts", "clients");

    [OneTimeSetUp]
    public void RequirePackage()
    {
        if (!Directory.Exists(Path.Combine(s_folder, "node_modules", "openai")))
        {
            Assert.Ignore("the npm package 'openai' is not installed: scripts/setup.d/50-clients.sh");
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Stream_ComesWhole_WithUsage(CancellationToken cancellationToken)
    {
        JsonObject answer = await RunAsync("What do you keep private?", null, cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(answer["error"]?.ToJsonString(), Is.Null);
            Assert.That(answer["models"]?.AsArray().Select(m => (string)m!), Does.Contain(CocoonNetwork.ModelName));
            Assert.That((string?)answer["text"], Is.EqualTo(TestModel.Sentence));
            Assert.That((int?)answer["pieces"], Is.GreaterThan(1));
            Assert.That((string?)answer["finish_reason"], Is.EqualTo("stop"));
            Assert.That((int?)answer["usage"]?["total_tokens"], Is.EqualTo((int?)answer["usage"]?["prompt_tokens"] + (int?)answer["usage"]?["completion_tokens"]));
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task UnknownModel_IsTheClientsNotFoundError(CancellationToken cancellationToken)
    {
        JsonObject answer = await RunAsync("Anybody?", "no-such-model", cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((string?)answer["error"]?["class"], Is.EqualTo("NotFoundError"));
            Assert.That((int?)answer["error"]?["status"], Is.EqualTo(404));
            Assert.That((string?)answer["error"]?["code"], Is.EqualTo("model_not_found"));
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task Suite_EveryPartOfTheApi(CancellationToken cancellationToken)
    {
        await SpecialProviders.StartAsync();
        JsonObject r = await RunAsync(
            ["suite.mjs", SpecialProviders.Client.Api.ToString(), CocoonNetwork.ModelName, SpecialProviders.CallerModel, SpecialProviders.EmbeddingModel], cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(r["models"]?["ids"]?.AsArray().Select(m => (string)m!), Is.SupersetOf(new[] { CocoonNetwork.ModelName, SpecialProviders.CallerModel, SpecialProviders.EmbeddingModel }));
            Assert.That((int?)r["models"]?["providers"], Is.EqualTo(2));
            Assert.That((string?)r["whole"]?["text"], Is.EqualTo(TestModel.Sentence), r["whole"]?.ToJsonString());
            Assert.That((string?)r["whole"]?["tier"], Is.EqualTo("open"));
            Assert.That((string?)r["whole"]?["receipt"], Is.Not.Empty);
            Assert.That((r["schema"] as JsonArray)?.Select(a => (int)a!["days"]!), Has.Exactly(3).InRange(1, 14), r["schema"]?.ToJsonString());
            Assert.That((string?)r["tools"]?["finish"], Is.EqualTo("tool_calls"), r["tools"]?.ToJsonString());
            Assert.That((string?)r["tools"]?["arguments"]?["city"], Is.AnyOf("Paris", "Zürich"));
            Assert.That((string?)r["tools"]?["text"], Is.EqualTo(TestModel.Sentence));
            Assert.That(r["calls"]?.ToJsonString(), Is.EqualTo("""{"reasoning":"Maybe look there.","name":"look","arguments":"{}","finish":"tool_calls"}"""));
            Assert.That((r["completions"] as JsonArray)?.Select(t => (string)t!), Is.All.StartsWith("Cocoon keeps every"), r["completions"]?.ToJsonString());
            Assert.That((string?)r["logprobs"]?["finish"], Is.EqualTo("length"), r["logprobs"]?.ToJsonString());
            Assert.That((r["logprobs"]?["top"] as JsonArray)?.Select(t => (int)t!), Is.EqualTo(new[] { 2, 2, 2 }));
            Assert.That((r["embeddings"] as JsonArray)?.Select(t => (int)t!), Is.EqualTo(new[] { 8, 8 }), r["embeddings"]?.ToJsonString());
            Assert.That((string?)r["responses"]?["deltas"], Is.EqualTo(TestModel.Sentence), r["responses"]?.ToJsonString());
            Assert.That((string?)r["responses"]?["next"], Is.EqualTo(TestModel.Sentence));
            Assert.That((bool?)r["responses"]?["completed"], Is.True);
            Assert.That((int?)r["abort"]?["pieces"], Is.GreaterThanOrEqualTo(2), r["abort"]?.ToJsonString());
            Assert.That((string?)r["unknown"]?["error"]?["class"], Is.EqualTo("NotFoundError"));
            Assert.That((string?)r["refused"]?["error"]?["param"], Is.EqualTo("suffix"));
        }
    }

    private static Task<JsonObject> RunAsync(string prompt, string? model, CancellationToken cancellationToken) =>
        RunAsync(["chat.mjs", SharedNetwork.Client.Api.ToString(), prompt, .. model is null ? [] : (string[])[model]], cancellationToken);

    private static async Task<JsonObject> RunAsync(string[] arguments, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = new("node") { WorkingDirectory = s_folder, RedirectStandardOutput = true };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return JsonNode.Parse(output)!.AsObject();
    }
}
