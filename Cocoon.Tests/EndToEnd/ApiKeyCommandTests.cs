using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary><c>cocoon keys</c> against a running client, and what applications with such keys may do.</summary>
public sealed class ApiKeyCommandTests
{
    [Test, CancelAfter(90_000)]
    public async Task Keys_LimitWhatEachApplicationMaySpendAndUse(CancellationToken cancellationToken)
    {
        CocoonNode client = await SharedNetwork.Network.StartClientAsync("keyed", CocoonNetwork.Ton, cancellationToken);
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, SharedNetwork.Cheap, SharedNetwork.Dear);
        string rich = await NewKeyAsync(client, cancellationToken, "rich", "--limit", "0.1");
        string poor = await NewKeyAsync(client, cancellationToken, "poor", "--limit", "0.000000001");
        string strict = await NewKeyAsync(client, cancellationToken, "strict", "--tiers", "cc-gpu,cc-cpu");

        (int status, JsonObject answer) = await AskAsync(client, rich, cancellationToken);
        (int withoutKey, JsonObject _) = await AskAsync(client, "anything", cancellationToken);
        (int tooPoor, JsonObject outOfMoney) = await AskAsync(client, poor, cancellationToken);
        (int tooStrict, JsonObject refused) = await AskAsync(client, strict, cancellationToken);
        JsonObject[] keys = [.. (await ReadAsync(client, cancellationToken, "keys"))["keys"]!.AsArray().Select(k => k!.AsObject())];
        JsonObject left = await ReadAsync(client, cancellationToken, "keys", "rm", "poor");
        await ReadAsync(client, cancellationToken, "keys", "rm", "strict");
        CommandResult last = await CocoonProgram.RunAsync(cancellationToken, "keys", "rm", "rich", "--data", client.DataDirectory);
        CommandResult again = await CocoonProgram.RunAsync(cancellationToken, "keys", "rm", "poor", "--data", client.DataDirectory);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(status, Is.EqualTo(200), answer.ToJsonString());
            Assert.That(withoutKey, Is.EqualTo(401));
            Assert.That((tooPoor, (string?)outOfMoney["error"]?["code"]), Is.EqualTo((402, "spend_limit")), outOfMoney.ToJsonString());
            Assert.That((tooStrict, (string?)refused["error"]?["code"]), Is.EqualTo((403, "tier_refused")));
            JsonObject spent = keys.Single(k => (string)k["name"]! == "rich");
            Assert.That((string)spent["spent_nanoton"]!, Is.EqualTo((string?)answer["cocoon"]?["cost_nanoton"]), "what was booked came down to what it cost");
            Assert.That(keys.Where(k => (string)k["name"]! != "rich").Select(k => (string)k["spent_nanoton"]!), Is.EqualTo(new[] { "0", "0" }), "what was refused costs nothing");
            Assert.That(left["keys"]!.AsArray().Select(k => (string)k!["name"]!), Is.EquivalentTo(new[] { "rich", "strict" }));
            Assert.That(last.Error, Does.Contain("warning: no key is left"), "the door that keys closed is open again");
            Assert.That(again.ExitCode, Is.EqualTo(4));
        }
    }

    private static async Task<string> NewKeyAsync(CocoonNode client, CancellationToken cancellationToken, params string[] arguments) =>
        (string)(await ReadAsync(client, cancellationToken, ["keys", "new", .. arguments]))["secret"]!;

    private static async Task<JsonObject> ReadAsync(CocoonNode client, CancellationToken cancellationToken, params string[] arguments)
    {
        CommandResult result = await CocoonProgram.RunAsync(cancellationToken, [.. arguments, "-o", "json", "--data", client.DataDirectory]);
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        return JsonNode.Parse(result.Output)!.AsObject();
    }

    private static async Task<(int Status, JsonObject Body)> AskAsync(CocoonNode client, string key, CancellationToken cancellationToken)
    {
        JsonObject body = Chat.Ask("What do you keep?");
        body["stream"] = false;
        body.Remove("stream_options");
        using HttpClient http = new();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        using HttpResponseMessage response = await http.PostAsync(client.Api + "/chat/completions", JsonContent.Create(body), cancellationToken);
        return ((int)response.StatusCode, (await response.Content.ReadFromJsonAsync<JsonObject>(cancellationToken))!);
    }
}
