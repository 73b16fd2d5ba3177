using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Node.Diagnostics;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>Nodes that die, freeze and come back, on a network of their own. SIGKILL means that no handler ran.</summary>
public sealed class FaultTests
{
    /// <summary>The most that a client waits for a provider that says nothing (10 s for a Welcome, 20 s for its word on a request), and some.</summary>
    private static readonly TimeSpan s_lostProvider = TimeSpan.FromSeconds(32);

    /// <summary>For what needs no waiting at all: a connection that is refused or reset.</summary>
    private static readonly TimeSpan s_prompt = TimeSpan.FromSeconds(12);

    /// <summary>The cheap provider's voucher step: 2,048 prompt tokens at 0.02 TON per million.</summary>
    private const ulong Step = 40_960;

    private CocoonNetwork _network = null!;
    private CocoonNode _cheap = null!, _dear = null!, _client = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(3));
        _network = await CocoonNetwork.StartAsync(limit.Token);
        Task<CocoonNode> cheap = _network.StartProviderAsync("cheap", 0.02m, 0.02m, limit.Token);
        Task<CocoonNode> dear = _network.StartProviderAsync("dear", 0.2m, 0.2m, limit.Token);
        Task<CocoonNode> client = _network.StartClientAsync("client", 2 * CocoonNetwork.Ton, limit.Token);
        (_cheap, _dear, _client) = (await cheap, await dear, await client);
    }

    /// <summary>Each test finds every node alive, whatever the one before it killed.</summary>
    [SetUp]
    public async Task ReviveAsync()
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(2));
        (_cheap, _dear, _client) = (await AliveAsync(_cheap, limit.Token), await AliveAsync(_dear, limit.Token), await AliveAsync(_client, limit.Token));
        await Task.WhenAll(ServingAsync(_cheap, limit.Token), ServingAsync(_dear, limit.Token));
        await CocoonNetwork.WaitForOffersAsync(_client, limit.Token, _cheap, _dear);
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (_network is not null)
        {
            await _network.DisposeAsync();
        }
    }

    /// <summary>A paced answer ends on a tick, and a provider counts it as one that runs until then: mistakes in a row must not use up the channel.</summary>
    [TestCase("steady"), TestCase("batch"), CancelAfter(90_000)]
    public async Task RefusedRequests_InARow_CostNothingAndLeaveTheChannelToTheNext(string shape, CancellationToken cancellationToken)
    {
        ChatAnswer first = await Chat.StreamAsync(_client, Chat.Ask("First.", _cheap.PeerId, shape), cancellationToken);
        Assert.That(first.ErrorText, Is.Empty);
        for (int i = 0; i < 4; i++)
        {
            JsonObject mistaken = Chat.Ask("Mistaken.", _cheap.PeerId, shape);
            mistaken["top_logprobs"] = 3;
            Assert.That((await Chat.StreamAsync(_client, mistaken, cancellationToken)).ErrorText, Does.StartWith("400 "));
        }

        ChatAnswer next = await Chat.StreamAsync(_client, Chat.Ask("Next.", _cheap.PeerId, shape), cancellationToken);
        Assert.That((next.ErrorText, next.Channel), Is.EqualTo(("", first.Channel)));
    }

    [Test, CancelAfter(90_000)]
    public async Task Client_KilledMidStream_KeepsWalletChannelAndHighestTotal(CancellationToken cancellationToken)
    {
        ChatAnswer first = await Chat.StreamAsync(_client, Chat.Ask("First.", _cheap.PeerId), cancellationToken);
        Assert.That(first.ErrorText, Is.Empty);
        string wallet = (string)(await _client.GetAsync("/control/wallet", cancellationToken))["raw_address"]!;
        await KillMidStreamAsync(_client, _cheap, cancellationToken);
        JsonObject atProvider = (await _cheap.ChannelAsync(c => (string)c["address"]! == first.Channel, cancellationToken))!;

        _client = await _network.RestartAsync(_client, cancellationToken);
        JsonObject restarted = (await _client.ChannelAsync(c => (string)c["address"]! == first.Channel, cancellationToken))!;
        await CocoonNetwork.WaitForOffersAsync(_client, cancellationToken, _cheap);
        ChatAnswer next = await Chat.StreamAsync(_client, Chat.Ask("Next.", _cheap.PeerId), cancellationToken);
        JsonObject books = (await _cheap.ChannelAsync(c => (string)c["address"]! == first.Channel, cancellationToken))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That((string)(await _client.GetAsync("/control/wallet", cancellationToken))["raw_address"]!, Is.EqualTo(wallet));
            Assert.That((string)restarted["state"]!, Is.EqualTo("open"));
            Assert.That(Nanoton(atProvider, "vouchered_nanoton"), Is.GreaterThan(first.VoucherTotal), "the killed stream was paid while it flowed");
            Assert.That(Nanoton(restarted, "vouchered_nanoton"), Is.GreaterThanOrEqualTo(Nanoton(atProvider, "vouchered_nanoton")), "on disk before it left");
            Assert.That(next.ErrorText, Is.Empty);
            Assert.That(next.Channel, Is.EqualTo(first.Channel));
            Assert.That(next.VoucherTotal, Is.GreaterThanOrEqualTo(Nanoton(restarted, "vouchered_nanoton")));
            Assert.That(Nanoton(books, "vouchered_nanoton"), Is.LessThanOrEqualTo(next.VoucherTotal));
            Assert.That(Nanoton(books, "spent_nanoton"), Is.LessThanOrEqualTo(Nanoton(books, "vouchered_nanoton")), "nothing was served on credit");
        }
    }

    [Test, CancelAfter(90_000)]
    public async Task Provider_KilledMidStream_IsAClearErrorAndComesBackWithItsBooks(CancellationToken cancellationToken)
    {
        string peer = _cheap.PeerId;
        int enclave = await _cheap.EnclaveIdAsync(cancellationToken);
        JsonObject before = [];
        TimeSpan toError = default;
        Stopwatch watch = new();
        int pieces = 0;
        ChatAnswer cut = await Chat.StreamAsync(_client, Chat.Long(peer), cancellationToken, async _ =>
        {
            if (++pieces == 20)
            {
                before = (await _cheap.ChannelAsync(c => (string)c["state"]! == "open", cancellationToken))!;
                await _cheap.KillAsync();
                watch.Start();
            }
        });
        toError = watch.Elapsed;
        Assert.That(_cheap.IsAlive, Is.False, $"killed after 20 of {pieces} pieces: {cut.ErrorText}");
        await Eventually.TrueAsync("the enclave follows its node", () => !Signals.IsAlive(enclave), TimeSpan.FromSeconds(10), cancellationToken);

        _cheap = await _network.RestartAsync(_cheap, cancellationToken);
        JsonObject after = (await _cheap.ChannelAsync(c => (string)c["address"]! == (string)before["address"]!, cancellationToken))!;
        await CocoonNetwork.WaitForOffersAsync(_client, cancellationToken, _cheap);
        ChatAnswer next = await Chat.StreamAsync(_client, Chat.Ask("Again.", peer), cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(cut.Text, Is.Not.Empty);
            Assert.That(cut.ErrorText, Does.Contain("provider_lost").And.Contain("Ask again").And.Contain("At risk:"));
            Assert.That(toError, Is.LessThan(s_prompt));
            Assert.That(_cheap.PeerId, Is.EqualTo(peer));
            Assert.That(Nanoton(after, "vouchered_nanoton"), Is.GreaterThanOrEqualTo(Nanoton(before, "vouchered_nanoton")));
            Assert.That(
                Nanoton(after, "spent_nanoton") + Step,
                Is.GreaterThanOrEqualTo(Nanoton(before, "spent_nanoton")).And.LessThanOrEqualTo(Nanoton(after, "vouchered_nanoton") + Step),
                "the due is stored with each voucher: of the living session at most one step is forgotten");
            Assert.That(next.ErrorText, Is.Empty);
            Assert.That(next.Channel, Is.EqualTo((string)before["address"]!));
            Assert.That(next.VoucherTotal, Is.GreaterThanOrEqualTo(Nanoton(after, "vouchered_nanoton")));
        }
    }

    [Test, CancelAfter(90_000)]
    public async Task Enclave_KilledMidStream_IsRestartedAndServesAgain(CancellationToken cancellationToken)
    {
        int enclave = await _cheap.EnclaveIdAsync(cancellationToken);
        int pieces = 0;
        ChatAnswer cut = await Chat.StreamAsync(_client, Chat.Long(_cheap.PeerId), cancellationToken, _ =>
        {
            if (++pieces == 20)
            {
                Signals.SendKill(enclave);
            }

            return Task.CompletedTask;
        });
        await Eventually.GetAsync(
            "the supervisor starts another enclave",
            async () =>
            {
                JsonObject engine = (await _cheap.GetAsync("/control/status", cancellationToken))["engine"]!.AsObject();
                return (string)engine["status"]! == "ready" && (int)engine["process_id"]! is > 0 and int id && id != enclave ? engine : null;
            },
            TimeSpan.FromSeconds(30),
            cancellationToken);
        await CocoonNetwork.WaitForOffersAsync(_client, cancellationToken, _cheap);
        ChatAnswer next = await Chat.StreamAsync(_client, Chat.Ask("Again.", _cheap.PeerId), cancellationToken);
        Assert.That(cut.ErrorText, Does.Contain("provider_lost"));
        Assert.That(next.ErrorText, Is.Empty);
    }

    [TestCase(true)]
    [TestCase(false)]
    [CancelAfter(90_000)]
    public async Task ProviderOrItsEnclave_KilledMidStream_AnotherGoesOnAndNoTokenIsPaidTwice(bool wholeNode, CancellationToken cancellationToken)
    {
        const int tokens = 400;
        ChatAnswer warm = await Chat.StreamAsync(_client, Chat.Ask("A channel for later.", _dear.PeerId), cancellationToken);
        Assert.That(warm.ErrorText, Is.Empty);
        int enclave = await _cheap.EnclaveIdAsync(cancellationToken);
        int pieces = 0;
        ChatAnswer answer = await Chat.StreamAsync(_client, Chat.Long(tokens: tokens), cancellationToken, async _ =>
        {
            if (++pieces == 20)
            {
                if (wholeNode)
                {
                    await _cheap.KillAsync();
                }
                else
                {
                    Signals.SendKill(enclave);
                }
            }
        });
        JsonObject[] segments = [.. answer.Cocoon?["segments"]?.AsArray().Select(s => s!.AsObject()) ?? []];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(answer.ErrorText, Is.Empty);
            Assert.That(segments.Select(s => (string)s["provider"]!), Is.EqualTo(new[] { _cheap.PeerId, _dear.PeerId }));
            Assert.That(segments.Select(s => (string?)s["ended_by"]), Is.EqualTo(new[] { "provider_lost", null }));
            Assert.That(segments.Sum(s => (int)s["completion_tokens"]!), Is.EqualTo(tokens), "every delivered token was paid once");
            Assert.That((int)answer.Usage!["completion_tokens"]!, Is.EqualTo(tokens));
            Assert.That((int)segments[^1]["prompt_tokens"]!, Is.GreaterThan((int)answer.Usage!["prompt_tokens"]!), "the delivered text was read once more, and that is said");
            Assert.That(answer.Text, Does.StartWith(TestModel.Sentence));
            Assert.That(answer.Text.Replace(TestModel.Sentence, "", StringComparison.Ordinal), Has.Length.LessThan(TestModel.Sentence.Length), "the seam does not show");
            Assert.That(Nanoton(answer.Cocoon!, "cost_nanoton"), Is.EqualTo(segments.Aggregate(0UL, (sum, s) => sum + Nanoton(s, "cost_nanoton"))));
        }
    }

    /// <summary>The next best provider may be one to which no channel may be opened any more: who has one goes on.</summary>
    [Test, CancelAfter(90_000)]
    public async Task Provider_KilledMidStream_OneThatCannotBePaidIsPassedOver(CancellationToken cancellationToken)
    {
        CocoonNode between = await _network.StartProviderAsync("between", 0.05m, 0.05m, cancellationToken);
        CocoonNode client = await _network.StartClientAsync("bounded", 2 * CocoonNetwork.Ton, cancellationToken, options: ["--limit-opens", "2", "--standby-after", "0"]);
        try
        {
            await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, _cheap, _dear, between);
            Assert.That((await Chat.StreamAsync(client, Chat.Ask("One.", _dear.PeerId), cancellationToken)).ErrorText, Is.Empty);
            Assert.That((await Chat.StreamAsync(client, Chat.Ask("Two.", _cheap.PeerId), cancellationToken)).ErrorText, Is.Empty);
            int pieces = 0;
            ChatAnswer answer = await Chat.StreamAsync(client, Chat.Long(tokens: 400), cancellationToken, async _ =>
            {
                if (++pieces == 20)
                {
                    await _cheap.KillAsync();
                }
            });
            Assert.That(answer.ErrorText, Is.Empty);
            Assert.That(answer.Cocoon!["segments"]!.AsArray().Select(s => (string)s!["provider"]!), Is.EqualTo(new[] { _cheap.PeerId, _dear.PeerId }));
        }
        finally
        {
            await between.StopAsync();
            await client.StopAsync();
        }
    }

    [Test, CancelAfter(90_000)]
    public async Task Application_HangsUpMidStream_TheSlotIsFreedAndTheChannelClosesAtWhatIsOwed(CancellationToken cancellationToken)
    {
        CocoonNode client = await _network.StartClientAsync("leaver", CocoonNetwork.Ton, cancellationToken);
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, _dear);
        using (CancellationTokenSource hangUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken))
        {
            int pieces = 0;
            Assert.That(
                () => Chat.StreamAsync(client, Chat.Long(_dear.PeerId), hangUp.Token, _ => ++pieces == 100 ? hangUp.CancelAsync() : Task.CompletedTask),
                Throws.InstanceOf<OperationCanceledException>());
        }

        JsonObject books = await Eventually.GetAsync(
            "the session ends on the provider",
            () => _dear.ChannelAsync(c => (string)c["state"]! == "open" && (int)c["live_sessions"]! == 0 && Nanoton(c, "spent_nanoton") > 0, cancellationToken),
            TimeSpan.FromSeconds(15),
            cancellationToken);
        await Eventually.GetAsync(
            "the slot is free",
            async () => (await _dear.GetAsync("/control/status", cancellationToken))["engine"]!.AsObject() is { } engine && (int)engine["slots_busy"]! == 0 ? engine : null,
            TimeSpan.FromSeconds(15),
            cancellationToken);
        await _network.Devnet.AdvanceAsync(61);
        JsonObject settled = await client.Control.PostAsync($"/control/channels/{books["channel"]}/close", [], cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Nanoton(settled, "claimed_total_nanoton"), Is.EqualTo(Nanoton(books, "spent_nanoton")));
            Assert.That(Nanoton(books, "spent_nanoton"), Is.LessThanOrEqualTo(Nanoton(books, "vouchered_nanoton")));
        }
    }

    [TestCase("queued")]
    [TestCase("sent")]
    [CancelAfter(90_000)]
    public async Task Client_KilledWhileItsChannelOpens_FindsItAgain(string step, CancellationToken cancellationToken)
    {
        CocoonNode client = await _network.StartClientAsync("opener-" + step, CocoonNetwork.Ton, cancellationToken);
        await client.KillAsync();
        client = _network.Relaunch(client, CrashPoint.Outbox(step, "open"));
        Assert.That(await client.IsReadyAsync(cancellationToken), Is.True, client.LogTail());
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, _dear);
        Assert.That(
            async () => await Chat.StreamAsync(client, Chat.Ask("Open and die.", _dear.PeerId), cancellationToken),
            Throws.InstanceOf<HttpRequestException>().Or.InstanceOf<IOException>());
        await client.WaitForEndAsync(cancellationToken);

        client = await _network.RestartAsync(client, cancellationToken);
        JsonObject opening = (await client.ChannelAsync(_ => true, cancellationToken))!;
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, _dear);
        await Eventually.GetAsync(
            "the channel opens", () => client.ChannelAsync(c => (string)c["state"]! == "open", cancellationToken), TimeSpan.FromSeconds(30), cancellationToken);
        ChatAnswer answer = await Chat.StreamAsync(client, Chat.Ask("And again.", _dear.PeerId), cancellationToken);
        JsonArray channels = (await client.GetAsync("/control/channels", cancellationToken))["channels"]!.AsArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(answer.ErrorText, Is.Empty);
            Assert.That(answer.Cocoon?["channel"]?.ToString(), Is.EqualTo((string)opening["address"]!));
            Assert.That(channels, Has.Count.EqualTo(1), "no second deposit was locked");
        }
    }

    [Test, CancelAfter(90_000)]
    public async Task Requests_SideBySideOnOneChannel_AreAllAnsweredAndCountedTheSame(CancellationToken cancellationToken)
    {
        CocoonNode client = await _network.StartClientAsync("crowd", CocoonNetwork.Ton, cancellationToken);
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, _dear);
        ChatAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(i =>
            Chat.StreamAsync(client, Chat.Long(_dear.PeerId, $"Number {i}.", tokens: 60 + (20 * i)), cancellationToken)));
        Assert.That(answers.Select(a => a.ErrorText), Is.All.Empty);
        string channel = answers.Select(a => a.Channel).Distinct().Single();
        JsonObject paying = (await client.ChannelAsync(c => (string)c["address"]! == channel, cancellationToken))!;
        JsonObject paid = (await _dear.ChannelAsync(c => (string)c["address"]! == channel, cancellationToken))!;
        ulong cost = answers.Aggregate(0UL, (sum, a) => sum + Nanoton(a.Cocoon!, "cost_nanoton"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Nanoton(paying, "spent_nanoton"), Is.EqualTo(cost));
            Assert.That(Nanoton(paid, "spent_nanoton"), Is.EqualTo(cost));
            Assert.That(answers.Select(a => (int)a.Usage!["completion_tokens"]!), Is.EqualTo(Enumerable.Range(0, 6).Select(i => 60 + (20 * i))));
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task Requests_SideBySideOfWhichHalfAreLeft_AreNeverDeclinedAndBothBooksAgree(CancellationToken cancellationToken)
    {
        CocoonNode client = await _network.StartClientAsync("leavers", CocoonNetwork.Ton, cancellationToken);
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, _dear);
        Assert.That((await Chat.StreamAsync(client, Chat.Ask("Open.", _dear.PeerId), cancellationToken)).ErrorText, Is.Empty);
        string[] errors = await Task.WhenAll(Enumerable.Range(0, 4).Select(lane => LaneAsync(lane)));
        Assert.That(errors, Is.All.Empty);

        // After eight requests in an hour the client opens a channel to a second provider too: it is not the one that is asked about.
        JsonObject paying = await Eventually.GetAsync(
            "every session has ended",
            () => client.ChannelAsync(c => (string)c["peer"]! == _dear.PeerId && (int)c["live_sessions"]! == 0, cancellationToken),
            TimeSpan.FromSeconds(15), cancellationToken);
        JsonObject paid = (await _dear.ChannelAsync(c => (string)c["address"]! == (string)paying["address"]!, cancellationToken))!;
        Assert.That(Nanoton(paid, "spent_nanoton"), Is.EqualTo(Nanoton(paying, "spent_nanoton")), "what a request that was left had cost is settled by its enclave");

        // Three requests one after the other, the middle one left in mid-stream.
        async Task<string> LaneAsync(int lane)
        {
            List<string> errors = [];
            for (int i = 0; i < 3; i++)
            {
                using CancellationTokenSource leaving = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                int pieces = 0;
                try
                {
                    ChatAnswer answer = await Chat.StreamAsync(
                        client, Chat.Long(_dear.PeerId, $"Lane {lane}, number {i}.", tokens: 60), leaving.Token,
                        _ => i == 1 && ++pieces == 10 + (5 * lane) ? leaving.CancelAsync() : Task.CompletedTask);
                    errors.Add(answer.ErrorText);
                }
                catch (OperationCanceledException) when (leaving.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
                {
                    // Left, as it was meant to be.
                }
            }

            return string.Concat(errors);
        }
    }

    [Test, CancelAfter(90_000)]
    public async Task Provider_TerminatedMidStream_LetsTheAnswerEnd(CancellationToken cancellationToken)
    {
        Task<int>? stopping = null;
        ChatAnswer answer = await Chat.StreamAsync(_client, Chat.Long(_dear.PeerId, tokens: 600), cancellationToken, _ =>
        {
            stopping ??= _dear.StopAsync();
            return Task.CompletedTask;
        });
        Assert.That(answer.ErrorText, Is.Empty);
        Assert.That((int)answer.Usage!["completion_tokens"]!, Is.EqualTo(600));
        Assert.That(await stopping!, Is.Zero);
    }

    [Test, CancelAfter(90_000)]
    public async Task Provider_KilledBeforeTheFirstToken_AnotherAnswersAndNoMoneyWentToTheDead(CancellationToken cancellationToken)
    {
        CocoonNode client = await _network.StartClientAsync("newcomer", 2 * CocoonNetwork.Ton, cancellationToken);
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, _cheap, _dear);
        string dead = _cheap.PeerId;

        // Frozen first, so that the client is in the middle of its question when the provider dies.
        Signals.Freeze(_cheap.ProcessId);
        Task<ChatAnswer> asking = Chat.StreamAsync(client, Chat.Ask("Whoever is there."), cancellationToken);
        await _cheap.KillAsync();
        Stopwatch watch = Stopwatch.StartNew();
        ChatAnswer answer = await asking;
        TimeSpan toAnswer = watch.Elapsed;

        watch.Restart();
        ChatAnswer alone = await Chat.StreamAsync(client, Chat.Ask("Only you.", dead), cancellationToken);
        TimeSpan toError = watch.Elapsed;
        JsonArray channels = (await client.GetAsync("/control/channels", cancellationToken))["channels"]!.AsArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(answer.ErrorText, Is.Empty);
            Assert.That(answer.Cocoon?["provider"]?.ToString(), Is.EqualTo(_dear.PeerId));
            Assert.That(toAnswer, Is.LessThan(s_lostProvider));
            Assert.That(alone.ErrorText, Does.StartWith("502 provider_lost:").And.Contain("Ask again").Or.StartWith("503 no_offer:"));
            Assert.That(toError, Is.LessThan(s_prompt));
            Assert.That(channels.Select(c => (string)c!["peer"]!), Is.EqualTo(new[] { _dear.PeerId }));
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task Chain_Down_OpenChannelsGoOnAndNewOnesAreAClearError(CancellationToken cancellationToken)
    {
        // This client knows no channel yet when the chain goes.
        CocoonNode late = await _network.StartClientAsync("late", 2 * CocoonNetwork.Ton, cancellationToken);
        ChatAnswer before = await Chat.StreamAsync(_client, Chat.Ask("While the chain is up.", _dear.PeerId), cancellationToken);
        await CocoonNetwork.WaitForOffersAsync(late, cancellationToken, _dear);

        await _network.Chain.CutAsync();
        ChatAnswer open = await Chat.StreamAsync(_client, Chat.Ask("The chain is down.", _dear.PeerId), cancellationToken);
        Stopwatch watch = Stopwatch.StartNew();
        ChatAnswer refused = await Chat.StreamAsync(late, Chat.Ask("A new channel?", _dear.PeerId), cancellationToken);
        TimeSpan toError = watch.Elapsed;
        JsonObject status = await _client.GetAsync("/control/status", cancellationToken);

        _network.Chain.Mend();
        ChatAnswer mended = await Chat.StreamAsync(late, Chat.Ask("And now?", _dear.PeerId), cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(before.ErrorText, Is.Empty);
            Assert.That(open.ErrorText, Is.Empty);
            Assert.That(open.Channel, Is.EqualTo(before.Cocoon?["channel"]?.ToString()));
            Assert.That(refused.ErrorText, Does.StartWith("503 chain_unavailable:").And.Contain("cocoon status"));
            Assert.That(toError, Is.LessThan(TimeSpan.FromSeconds(35)), "the chain client gives up after 30 s at the latest");
            Assert.That((bool)status["chain"]!["reachable"]!, Is.False);
            Assert.That((string?)status["chain"]!["problem"], Is.Not.Empty);
            Assert.That(mended.ErrorText, Is.Empty);
        }
    }

    [Test, CancelAfter(90_000)]
    public async Task Nodes_Terminated_EndCleanlyAndLeaveNoChild(CancellationToken cancellationToken)
    {
        int enclave = await _dear.EnclaveIdAsync(cancellationToken);
        Assert.That(Signals.IsAlive(enclave), Is.True);
        CocoonNode[] nodes = [_client, _dear];
        int[] codes = await Task.WhenAll(nodes.Select(n => n.StopAsync()));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(codes, Is.All.Zero);
            Assert.That(Signals.IsAlive(enclave), Is.False);
            Assert.That(nodes.Select(n => File.Exists(Path.Combine(n.DataDirectory, "control.sock"))), Is.All.False, "no stale socket is left");
        }
    }

    /// <summary>An enclave that the test before killed is back: until its offers have run out they do not tell.</summary>
    private static Task<JsonObject> ServingAsync(CocoonNode provider, CancellationToken cancellationToken) => Eventually.GetAsync(
        $"{provider.Name} serves",
        async () => (await provider.GetAsync("/control/status", cancellationToken))["engine"] is JsonObject engine && (int)engine["process_id"]! > 0 ? engine : null,
        s_lostProvider,
        cancellationToken);

    private Task<CocoonNode> AliveAsync(CocoonNode node, CancellationToken cancellationToken) =>
        node.IsAlive ? Task.FromResult(node) : _network.RestartAsync(node, cancellationToken);

    private static async Task KillMidStreamAsync(CocoonNode client, CocoonNode provider, CancellationToken cancellationToken)
    {
        int pieces = 0;
        try
        {
            await Chat.StreamAsync(client, Chat.Long(provider.PeerId), cancellationToken, async _ =>
            {
                if (++pieces == 200)
                {
                    await client.KillAsync();
                }
            });
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            return;
        }

        Assert.Fail("the stream survived its process");
    }

    private static ulong Nanoton(JsonObject row, string field) => ulong.Parse((string)row[field]!, CultureInfo.InvariantCulture);
}
