using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Cocoon.Node.Control;
using Cocoon.Protocol.Attestation;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>The command line against running nodes, as a person or a script uses it.</summary>
public sealed class CommandLineTests
{
    [Test, CancelAfter(60_000)]
    public async Task Status_OfClientAndProvider_SaysWhoTheyAre(CancellationToken cancellationToken)
    {
        JsonObject[] documents = await ReadAsync(cancellationToken, (SharedNetwork.Client, ["status"]), (SharedNetwork.Cheap, ["status"]));
        (JsonObject client, JsonObject provider) = (documents[0], documents[1]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((string)client["role"]!, Is.EqualTo("client"));
            Assert.That((string)client["peer_id"]!, Is.EqualTo(SharedNetwork.Client.PeerId));
            Assert.That((string)client["api_url"]!, Is.EqualTo(SharedNetwork.Client.Api.ToString()));
            Assert.That((int)client["peers"]!["connected"]!, Is.GreaterThan(0));
            Assert.That((int)client["offers_seen"]!, Is.GreaterThanOrEqualTo(2));
            Assert.That((bool)client["chain"]!["reachable"]!, Is.True);
            Assert.That((string)client["wallet"]!["balance_nanoton"]!, Does.Match("^[0-9]+$"));
            Assert.That((string)provider["role"]!, Is.EqualTo("provider"));
            Assert.That((string)provider["engine"]!["status"]!, Is.EqualTo("ready"));
            Assert.That((string)provider["engine"]!["tier"]!, Is.EqualTo("open"));
            Assert.That((string)provider["engine"]!["evidence_kind"]!, Is.EqualTo("simulated"));
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Client_OverALiteServer_PaysAndSaysThatTheChainIsProven(CancellationToken cancellationToken)
    {
        CocoonNode client = await SharedNetwork.Network.StartClientAsync("lite", CocoonNetwork.Ton, cancellationToken, lite: true);
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, SharedNetwork.Dear);
        await Eventually.GetAsync(
            "a proven block shows the money",
            async () => await client.GetAsync("/control/wallet", cancellationToken) is var wallet && (string?)wallet["balance_nanoton"] is not (null or "0") ? wallet : null,
            TimeSpan.FromSeconds(30),
            cancellationToken);
        ChatAnswer answer = await Chat.StreamAsync(client, Chat.Ask("Once.", SharedNetwork.Dear.PeerId), cancellationToken);
        Assert.That(answer.ErrorText, Is.Empty);
        JsonObject[] documents = await ReadAsync(cancellationToken, (client, ["status"]), (SharedNetwork.Client, ["status"]));
        Assert.That(documents.Select(d => (string)d["chain"]!["proof"]!), Is.EqualTo(new[] { "key-block", "none" }));
        Assert.That((string)documents[0]["chain"]!["endpoint"]!, Is.EqualTo("1 lite-server"));
    }

    /// <summary>Offers are renewed every 15 seconds.</summary>
    [Test, CancelAfter(60_000)]
    public async Task GossipTail_PrintsAnOfferAsItArrives_WithItsVerdict(CancellationToken cancellationToken)
    {
        CommandResult tail = await CocoonProgram.RunAsync(
            cancellationToken, "gossip", "tail", "offers", "--count", "1", "-o", "jsonl", "--data", SharedNetwork.Client.DataDirectory);
        JsonObject message = JsonNode.Parse(tail.Output)!.AsObject();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(tail.ExitCode, Is.Zero, tail.Error);
            Assert.That((string)message["type"]!, Is.EqualTo("gossip"));
            Assert.That((string)message["topic"]!, Does.Contain("offers"));
            Assert.That((string)message["verdict"]!, Is.EqualTo("accept"));
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task PeersAndOffers_NameTheProviders_AndExplainTheChoice(CancellationToken cancellationToken)
    {
        JsonObject[] documents = await ReadAsync(cancellationToken, (SharedNetwork.Client, ["peers"]), (SharedNetwork.Client, ["offers", "--explain", "--model", CocoonNetwork.ModelName]));
        JsonObject[] peers = Rows(documents[0], "peers"), offers = Rows(documents[1], "offers");
        string[] providers = [SharedNetwork.Cheap.PeerId, SharedNetwork.Dear.PeerId];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(peers.Select(p => (string)p["peer"]!), Does.Contain(SharedNetwork.Network.Bootstrap.PeerId));
            Assert.That(peers.Select(p => (string?)p["path"]), Is.All.EqualTo("direct tcp"));
            Assert.That(offers.Select(o => (string)o["peer"]!), Is.EquivalentTo(providers));
            Assert.That(offers.Select(o => (string)o["model"]!), Is.All.EqualTo(CocoonNetwork.ModelName));
            Assert.That(offers.Select(o => (string)o["model_id"]!).Distinct().Count(), Is.EqualTo(1), "the same file has the same id everywhere");
            Assert.That(offers.Select(o => (int)o["rank"]!), Is.EqualTo(new[] { 1, 2 }));
            Assert.That(offers.Select(o => (string)o["verdict"]!), Is.EqualTo(new[] { "chosen", "candidate" }));
            Assert.That(offers.ToDictionary(o => (string)o["peer"]!, o => (string)o["price_prompt"]!)[providers[0]], Is.EqualTo("40000000"));
        }
    }

    /// <summary>Also by a throwaway peer, which knows no model when it comes.</summary>
    [Test, CancelAfter(60_000)]
    public async Task DhtFindProviders_ByTheModelsName_NamesThem(CancellationToken cancellationToken)
    {
        string[] ask = ["dht", "find-providers", CocoonNetwork.ModelName, "-q", "--no-trunc"];
        CommandResult[] results = await Task.WhenAll(
            CocoonProgram.RunAsync(cancellationToken, [.. ask, "--data", SharedNetwork.Client.DataDirectory]),
            CocoonProgram.RunAsync(cancellationToken, [.. ask, "--ephemeral", "--lan", "--bootstrap", SharedNetwork.Network.Bootstrap.Address]));
        Assert.That(results.Select(r => r.ExitCode), Is.All.Zero, string.Join('\n', results.Select(r => r.Error)));
        Assert.That(
            results.Select(r => r.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)),
            Is.All.SupersetOf(new[] { SharedNetwork.Cheap.PeerId, SharedNetwork.Dear.PeerId }));
    }

    [Test, CancelAfter(60_000)]
    public async Task ChannelsAndWallet_AfterAnAnswer_AgreeOnBothSides(CancellationToken cancellationToken)
    {
        CocoonNode client = await SharedNetwork.Network.StartClientAsync("reader", CocoonNetwork.Ton, cancellationToken);
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, SharedNetwork.Dear);
        ChatAnswer answer = await Chat.StreamAsync(client, Chat.Ask("Once.", SharedNetwork.Dear.PeerId), cancellationToken);
        Assert.That(answer.ErrorText, Is.Empty);
        JsonObject[] documents = await ReadAsync(cancellationToken, (client, ["channels"]), (SharedNetwork.Dear, ["channels"]), (client, ["wallet"]));
        JsonObject paying = Rows(documents[0], "channels").Single(), paid = Rows(documents[1], "channels").Single(c => (string)c["address"]! == answer.Channel);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(((string)paying["direction"]!, (string)paid["direction"]!), Is.EqualTo(("out", "in")));
            Assert.That(((string)paying["state"]!, (string)paid["state"]!), Is.EqualTo(("open", "open")));
            Assert.That((string)paying["address"]!, Is.EqualTo(answer.Channel));
            Assert.That((string)paying["vouchered_nanoton"]!, Is.EqualTo(answer.Cocoon!["voucher_total_nanoton"]!.ToString()));
            Assert.That((string)paying["spent_nanoton"]!, Is.EqualTo(answer.Cocoon!["cost_nanoton"]!.ToString()));
            Assert.That((string)paid["spent_nanoton"]!, Is.EqualTo((string)paying["spent_nanoton"]!), "both sides counted the same");
            Assert.That(ulong.Parse((string)documents[2]["balance_nanoton"]!, System.Globalization.CultureInfo.InvariantCulture), Is.InRange(1UL, CocoonNetwork.Ton));
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task EveryReadCommand_WithoutANode_ExitsWithThreeAndSaysHowToStartOne(CancellationToken cancellationToken)
    {
        string nowhere = Path.Combine(SharedNetwork.Client.DataDirectory, "nobody");
        string[] verbs = ["status", "peers", "offers", "channels"];
        CommandResult[] results = await Task.WhenAll(verbs.Select(v => CocoonProgram.RunAsync(cancellationToken, v, "-o", "json", "--data", nowhere)));
        CommandResult wallet = await CocoonProgram.RunAsync(cancellationToken, "wallet", "-o", "json", "--data", nowhere);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((wallet.ExitCode, wallet.Output), Is.EqualTo((4, "")), "a wallet is read without a node");
            Assert.That(wallet.Error, Does.Contain("error: there is no wallet here").And.Contain("fix"));
            Assert.That(results.Select(r => r.ExitCode), Is.All.EqualTo(3));
            Assert.That(results.Select(r => r.Output), Is.All.Empty);
            Assert.That(results.Select(r => r.Error), Is.All.Contain("error: ").And.All.Contain("why").And.All.Contain("fix"));
            Assert.That(Directory.Exists(nowhere), Is.False, "reading makes no data directory");
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task AttestShow_OfARunningProvider_IsAppraisedByWhoeverAsks(CancellationToken cancellationToken)
    {
        string file = Path.Combine(SharedNetwork.Client.DataDirectory, "shown.bundle");
        string[] ask = ["attest", "show", SharedNetwork.Cheap.PeerId, "-o", "json", "--data", SharedNetwork.Client.DataDirectory];
        string builtIn = Path.Combine(SharedNetwork.Client.DataDirectory, "built-in.json");
        await File.WriteAllTextAsync(builtIn, (await CocoonProgram.RunAsync(cancellationToken, "attest", "policy", "--data", Path.Combine(SharedNetwork.Client.DataDirectory, "nobody"))).Output, cancellationToken);
        CommandResult strict = await CocoonProgram.RunAsync(cancellationToken, [.. ask, "--policy", builtIn]);
        CommandResult allowed = await CocoonProgram.RunAsync(cancellationToken, [.. ask, "--policy", builtIn, "--allow-open", "--save", file]);
        CommandResult asTheClient = await CocoonProgram.RunAsync(cancellationToken, ask);
        CommandResult inForce = await CocoonProgram.RunAsync(cancellationToken, "attest", "policy", "--data", SharedNetwork.Client.DataDirectory);
        CommandResult own = await CocoonProgram.RunAsync(cancellationToken, "attest", "show", "--allow-open", "-o", "json", "--data", SharedNetwork.Cheap.DataDirectory);
        Assert.That((strict.ExitCode, allowed.ExitCode, own.ExitCode), Is.EqualTo((7, 0, 0)), strict.Error + allowed.Error + own.Error);
        JsonObject refused = JsonNode.Parse(strict.Output)!.AsObject(), accepted = JsonNode.Parse(allowed.Output)!.AsObject(), seen = JsonNode.Parse(own.Output)!.AsObject();
        CommandResult pinned = await PinnedAsync((string)accepted["policy_digest"]!), other = await PinnedAsync(new string('0', 64));
        using (Assert.EnterMultipleScope())
        {
            Assert.That((asTheClient.ExitCode, (string)JsonNode.Parse(asTheClient.Output)!["verdict"]!), Is.EqualTo((0, "accepted")), "the client that runs here was started with --allow-open");
            Assert.That((bool)JsonNode.Parse(inForce.Output)!["allow_simulated"]!, Is.True, "the policy in force is the running client's");
            Assert.That((bool)JsonNode.Parse(await File.ReadAllTextAsync(builtIn, cancellationToken))!["allow_simulated"]!, Is.False);
            Assert.That((string)refused["verdict"]!, Is.EqualTo("refused"));
            Assert.That(refused["reasons"]!.AsArray().Select(r => (string)r!), Is.EqualTo(new[] { ReasonWords.PolicySimulated }));
            Assert.That(((string)accepted["verdict"]!, (string)seen["verdict"]!), Is.EqualTo(("accepted", "accepted")));
            Assert.That(((string)accepted["tier"]!, (string)accepted["evidence_kind"]!), Is.EqualTo(("open", "simulated")));
            Assert.That((string)accepted["peer_id"]!, Is.EqualTo(SharedNetwork.Cheap.PeerId));
            Assert.That((string)accepted["identity_key"]!, Is.EqualTo((string)seen["identity_key"]!), "the same enclave, from both sides");
            Assert.That((string)accepted["enclave_policy"]!["profile"]!, Is.EqualTo("embedded"));
            Assert.That((string)accepted["enclave_policy"]!["protections"]!["seccomp"]!, Is.EqualTo("on"));
            Assert.That(
                (string)accepted["policy_digest"]!,
                Is.EqualTo(Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(accepted["enclave_policy"]!.ToJsonString())))), "anybody can add it up");
            Assert.That((pinned.ExitCode, other.ExitCode), Is.EqualTo((0, 7)), pinned.Error + other.Output);
            Assert.That(other.Output, Does.Contain(ReasonWords.PolicyEnclavePolicy));
            Assert.That(Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(file, cancellationToken))), Is.EqualTo((string)accepted["evidence_digest"]!));
        }

        CocoonNode picky = await SharedNetwork.Network.StartClientAsync(
            "picky", 0, cancellationToken, options: ["--policy", Path.Combine(SharedNetwork.Client.DataDirectory, new string('0', 8) + ".json")]);
        await CocoonNetwork.WaitForOffersAsync(picky, cancellationToken, SharedNetwork.Cheap);
        CommandResult shown = await CocoonProgram.RunAsync(cancellationToken, "attest", "show", SharedNetwork.Cheap.PeerId, "-o", "json", "--data", picky.DataDirectory);
        Assert.That(shown.ExitCode, Is.EqualTo(7), shown.Error);
        Assert.That((string)JsonNode.Parse(shown.Output)!["policy_digest"]!, Is.EqualTo((string)accepted["policy_digest"]!), "what this client refuses is shown all the same");

        async Task<CommandResult> PinnedAsync(string digest)
        {
            string policy = Path.Combine(SharedNetwork.Client.DataDirectory, digest[..8] + ".json");
            await File.WriteAllTextAsync(policy, $$"""{"id":"pinned","enclave_policies":["{{digest}}"]}""", cancellationToken);
            return await CocoonProgram.RunAsync(cancellationToken, [.. ask, "--allow-open", "--policy", policy]);
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Chat_CtrlCAtTheQuestion_EndsIt(CancellationToken cancellationToken)
    {
        using Process chat = StartChat("--data", SharedNetwork.Client.DataDirectory);
        StringBuilder seen = new();
        char[] one = new char[1];
        while (!seen.ToString().EndsWith("> ", StringComparison.Ordinal) && await chat.StandardError.ReadAsync(one.AsMemory(), cancellationToken) > 0)
        {
            seen.Append(one);
        }

        await InterruptAsync(chat, seen.ToString(), cancellationToken);
    }

    [Test, CancelAfter(60_000)]
    public async Task Chat_CtrlCInTheAnswer_SaysWhatItCost(CancellationToken cancellationToken)
    {
        using Process chat = StartChat("-m", CocoonNetwork.ModelName, "--max-tokens", "1500", "--shape", "fast", "Tell me everything about Cocoon.", "--data", SharedNetwork.Client.DataDirectory);
        Assert.That(await chat.StandardOutput.ReadAsync(new char[1].AsMemory(), cancellationToken), Is.EqualTo(1), "the answer has begun");
        Signals.SendInterrupt(chat.Id);
        string error = await chat.StandardError.ReadToEndAsync(cancellationToken);
        await chat.WaitForExitAsync(cancellationToken);
        Assert.That(chat.ExitCode, Is.EqualTo(130), error);
        Assert.That(error, Does.Match(@"interrupted\s+why .*this client has spent 0\.\d*[1-9]\d* TON since the question"));
    }

    /// <summary>The node takes the question and says nothing.</summary>
    [Test, CancelAfter(60_000)]
    public async Task Chat_CtrlCBeforeTheAnswerIsThere_EndsIt(CancellationToken cancellationToken)
    {
        string folder = Directory.CreateTempSubdirectory("cocoon-mute-").FullName;
        try
        {
            using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(new UnixDomainSocketEndPoint(ControlSocket.PathIn(folder)));
            listener.Listen();
            using Process chat = StartChat("-m", "any", "What is Cocoon?", "--data", folder);
            using Socket asked = await listener.AcceptAsync(cancellationToken);
            Assert.That(await asked.ReceiveAsync(new byte[1], cancellationToken), Is.EqualTo(1));
            await InterruptAsync(chat, "", cancellationToken);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Process StartChat(params string[] arguments)
    {
        // Whoever runs the tests in the background has Ctrl-C ignored, which all children inherit.
        ProcessStartInfo start = CocoonProgram.Launch(["chat", .. arguments], ["env", "--default-signal=INT", .. CocoonProgram.Command]);
        start.RedirectStandardInput = true;
        return Process.Start(start)!;
    }

    private static async Task InterruptAsync(Process chat, string seen, CancellationToken cancellationToken)
    {
        Signals.SendInterrupt(chat.Id);
        try
        {
            string error = seen + await chat.StandardError.ReadToEndAsync(cancellationToken);
            await chat.WaitForExitAsync(cancellationToken);
            Assert.That(chat.ExitCode, Is.EqualTo(130), error);
            Assert.That(error, Does.Contain("interrupted"));
        }
        finally
        {
            if (!chat.HasExited)
            {
                chat.Kill();
            }
        }
    }

    private static async Task<JsonObject[]> ReadAsync(CancellationToken cancellationToken, params (CocoonNode Node, string[] Verb)[] commands)
    {
        CommandResult[] results = await Task.WhenAll(commands.Select(c => CocoonProgram.RunAsync(cancellationToken, [.. c.Verb, "-o", "json", "--data", c.Node.DataDirectory])));
        Assert.That(results.Select(r => r.ExitCode), Is.All.Zero, string.Join('\n', results.Select(r => r.Error)));
        JsonObject[] documents = [.. results.Select(r => JsonNode.Parse(r.Output)!.AsObject())];
        Assert.That(documents.Select(d => (int)d["schema"]!), Is.All.EqualTo(1));
        return documents;
    }

    private static JsonObject[] Rows(JsonObject document, string name) => [.. document[name]!.AsArray().OfType<JsonObject>()];
}
