using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Tests.Enclave.Inference.Upstream;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>A provider that serves what another OpenAI-compatible server on this machine answers: here the API of a light client, a real server and no stub.</summary>
public sealed class UpstreamProviderTests
{
    private const string Model = "cocoon-upstream";

    /// <summary>Of the 3,000 tokens that are asked for, at the lower price of 0.16 TON a million.</summary>
    private const long HalfOfIt = 1_500 * 160;

    private static CocoonNode s_provider = null!;
    private static CocoonNode s_client = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(2));
        s_provider = await SharedNetwork.Network.StartUpstreamProviderAsync("upstream", SharedNetwork.Client.Api, CocoonNetwork.ModelName, Model, limit.Token);
        s_client = await SharedNetwork.Network.StartClientAsync("upstream-client", CocoonNetwork.Ton, limit.Token);
        await CocoonNetwork.WaitForOffersAsync(s_client, limit.Token, s_provider);
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (s_provider is not null)
        {
            await s_provider.StopAsync();
        }
    }

    [Test, CancelAfter(90_000)]
    public async Task Answer_OfTheServer_ArrivesSealedAndPaid_AndSaysWhatItsTierIs(CancellationToken cancellationToken)
    {
        ChatAnswer answer = await Chat.StreamAsync(s_client, Ask(), cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(answer.ErrorText, Is.Empty);
            Assert.That(answer.Text, Is.EqualTo(TestModel.Sentence));
            Assert.That((string?)answer.Cocoon?["provider"], Is.EqualTo(s_provider.PeerId));
            Assert.That((string?)answer.Cocoon?["tier"], Is.EqualTo("open"));
            Assert.That((string?)answer.Cocoon?["model_assurance"], Is.EqualTo("claimed"));
            Assert.That((int)answer.Usage!["completion_tokens"]!, Is.GreaterThan(2));
        }
    }

    [Test, CancelAfter(90_000)]
    public async Task Application_HangsUp_TheServerBehindStopsToo(CancellationToken cancellationToken)
    {
        JsonObject body = Chat.Long(s_provider.PeerId);
        body["model"] = Model;
        long before = await SpentAsync(cancellationToken);
        using CancellationTokenSource hangUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        int pieces = 0;
        Assert.That(
            async () => await Chat.StreamAsync(s_client, body, hangUp.Token, async _ =>
            {
                if (++pieces == 3)
                {
                    await hangUp.CancelAsync();
                }
            }),
            Throws.InstanceOf<OperationCanceledException>());
        foreach (CocoonNode node in (CocoonNode[])[s_provider, SharedNetwork.Cheap, SharedNetwork.Dear])
        {
            await Eventually.GetAsync(
                $"nothing runs at {node.Name}",
                async () => (await node.GetAsync("/control/status", cancellationToken))["engine"]!.AsObject() is { } engine && (int)engine["slots_busy"]! == 0 ? engine : null,
                TimeSpan.FromSeconds(20), cancellationToken);
        }

        long cost = await SpentAsync(cancellationToken) - before;
        Assert.That(cost, Is.Positive.And.LessThan(HalfOfIt), "the server was stopped, not waited for");
    }

    [Test, CancelAfter(120_000)]
    public async Task Server_Dies_TheOfferIsWithdrawn_AndTheProviderSaysWhy(CancellationToken cancellationToken)
    {
        StubServer server = new();
        server.Documents["/v1/models"] = """{"object":"list","data":[{"id":"mortal","object":"model"}]}""";
        CocoonNode provider;
        await using (server)
        {
            provider = await SharedNetwork.Network.StartUpstreamProviderAsync("mortal", server.Endpoint, "mortal", "mortal", cancellationToken);
            await CocoonNetwork.WaitForOffersAsync(s_client, cancellationToken, provider);
        }

        try
        {
            await Eventually.GetAsync(
                "the client hears that nothing is offered any more",
                async () => (await s_client.GetAsync("/control/offers", cancellationToken)) is var offers
                    && offers["offers"]!.AsArray().All(o => (string)o!["peer"]! != provider.PeerId) ? offers : null,
                TimeSpan.FromSeconds(60), cancellationToken);
            JsonObject engine = await Eventually.GetAsync(
                "the provider has tried again",
                async () => (await provider.GetAsync("/control/status", cancellationToken))["engine"]!.AsObject() is { } state
                    && ((string?)state["problem"])?.Contains("no OpenAI-compatible server answers", StringComparison.Ordinal) == true ? state : null,
                TimeSpan.FromSeconds(60), cancellationToken);
            Assert.That((string)engine["problem"]!, Does.Contain($"{server.Endpoint}v1/models"));
        }
        finally
        {
            await provider.StopAsync();
        }
    }

    /// <summary>What the server behind has bought, in nanoTON.</summary>
    private static async Task<long> SpentAsync(CancellationToken cancellationToken) =>
        (await SharedNetwork.Client.GetAsync("/control/channels", cancellationToken))["channels"]!.AsArray()
            .Sum(channel => long.Parse((string)channel!["spent_nanoton"]!, CultureInfo.InvariantCulture));

    private static JsonObject Ask()
    {
        JsonObject body = Chat.Ask("What do you keep?", s_provider.PeerId);
        body["model"] = Model;
        return body;
    }
}
