using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>Everything that can be wrong before an answer, at the real API: an OpenAI-shaped error that says what, why and what to do, in time.</summary>
public sealed class ApiErrorTests
{
    [TestCase("{", "invalid_json")]
    [TestCase("""{"model":"cocoon-e2e"}""", "invalid_request")]
    [TestCase("""{"model":"cocoon-e2e","messages":"hello"}""", "invalid_request")]
    [TestCase("""{"model":"cocoon-e2e","messages":[{"role":"robot","content":"q"}]}""", null)]
    [TestCase("""{"model":"cocoon-e2e","messages":[{"role":"user","content":"q"}],"temperature":"hot"}""", null)]
    [CancelAfter(60_000)]
    public async Task MalformedRequest_IsAnOpenAiShaped400(string body, string? code, CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await Chat.PostAsync(
            SharedNetwork.Client, new StringContent(body, Encoding.UTF8, "application/json"), cancellationToken);
        JsonObject error = JsonNode.Parse(await response.Content.ReadAsStringAsync(cancellationToken))!["error"]!.AsObject();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
            Assert.That(error.Select(e => e.Key), Is.EquivalentTo(new[] { "message", "type", "param", "code" }));
            Assert.That((string)error["type"]!, Is.EqualTo("invalid_request_error"));
            Assert.That((string)error["message"]!, Is.Not.Empty.And.Not.Contain("hello").And.Not.Contain("robot at"));
            if (code is not null)
            {
                Assert.That((string)error["code"]!, Is.EqualTo(code));
            }
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task UnknownModel_IsA404_WithoutWaitingForTheNetwork(CancellationToken cancellationToken)
    {
        JsonObject body = Chat.Ask("Anybody?");
        body["model"] = "no-such-model";
        ChatAnswer answer = await Eventually.GetAsync(
            "the client has listened long enough to know",
            async () => await Chat.StreamAsync(SharedNetwork.Client, body, cancellationToken) is var said && said.ErrorText.Contains("has told of one", StringComparison.Ordinal) ? said : null,
            TimeSpan.FromSeconds(20),
            cancellationToken);
        Assert.That(answer.ErrorText, Does.StartWith("404 model_not_found:").And.Contain("no-such-model").And.Contain("cocoon offers"));
    }

    [Test, CancelAfter(60_000)]
    public async Task TierOpen_NotAllowed_IsRefusedWithTheSwitchThatAllowsIt(CancellationToken cancellationToken)
    {
        JsonObject body = Chat.Ask("Protected only.");
        body["cocoon"]!["allow_open"] = false;
        ChatAnswer answer = await Chat.StreamAsync(SharedNetwork.Client, body, cancellationToken);
        Assert.That(answer.ErrorText, Does.StartWith("403 tier_refused:").And.Contain("--allow-open"));
    }

    [Test, CancelAfter(60_000)]
    public async Task EmptyWallet_IsA402_ThatNamesTheWalletCommand(CancellationToken cancellationToken)
    {
        CocoonNode poor = await SharedNetwork.Network.StartClientAsync("poor", ton: 0, cancellationToken);
        await CocoonNetwork.WaitForOffersAsync(poor, cancellationToken, SharedNetwork.Cheap);
        Stopwatch watch = Stopwatch.StartNew();
        ChatAnswer answer = await Chat.StreamAsync(poor, Chat.Ask("On credit?"), cancellationToken);
        JsonArray channels = (await poor.GetAsync("/control/channels", cancellationToken))["channels"]!.AsArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(answer.ErrorText, Does.StartWith("402 no_funds:").And.Contain("cocoon wallet"));
            Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(10)));
            Assert.That(channels.Where(c => (string)c!["state"]! == "open"), Is.Empty);
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task NobodyThere_IsA503_WithinTheDiscoveryTime(CancellationToken cancellationToken)
    {
        // A well-formed address at which nothing listens.
        const string Nowhere = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
        CocoonNode lonely = await SharedNetwork.Network.StartClientAsync("lonely", ton: 0, cancellationToken, Nowhere);
        Stopwatch watch = Stopwatch.StartNew();
        ChatAnswer answer = await Chat.StreamAsync(lonely, Chat.Ask("Anybody?"), cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(answer.ErrorText, Does.StartWith("503 no_offer:").And.Contain("0 connected peers").And.Contain("bootstrap"));
            Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(20)));
        }
    }
}
