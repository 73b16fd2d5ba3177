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

    private static async Task<JsonObject> RunAsync(string prompt, string? model, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = new("node") { WorkingDirectory = s_folder, RedirectStandardOutput = true };
        foreach (string argument in (string[])["chat.mjs", SharedNetwork.Client.Api.ToString(), prompt, .. model is null ? [] : (string[])[model]])
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return JsonNode.Parse(output)!.AsObject();
    }
}
