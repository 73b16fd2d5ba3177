using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli;
using Cocoon.Node.Control;
using Cocoon.Node.Diagnostics;
using Cocoon.Node.Payments;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>One provider and one client as processes, one of which dies again and again at steps that a test names; both books and the chain are looked at in between.</summary>
/// <remarks>
/// A step's restart is armed with the next step, so that dying while recovering is walked too. One line per step is printed
/// (<c>scripts/crash-walk</c>); <c>COCOON_CRASH_WALK=full</c> adds the steps that differ least from their neighbours.
/// </remarks>
internal sealed class CrashWalk : IAsyncDisposable
{
    /// <summary>2,048 prompt tokens at 0.02 TON per million, or 64 completion tokens at 0.64.</summary>
    private const ulong Step = 40_960;

    /// <summary>The offer's <c>max_credit_nanoton</c>.</summary>
    private const ulong OfferedCredit = 50_000_000;

    private const int KilledCode = 128 + 9;
    private const int MaxListed = 1_000;

    private static readonly TimeSpan s_death = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_answer = TimeSpan.FromSeconds(40);
    private static readonly TimeSpan s_again = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_quiet = TimeSpan.FromSeconds(40);

    private readonly CocoonNetwork _network;
    private readonly bool _killsClient;
    private readonly Dictionary<CellHash, Book> _clientBefore = [];
    private readonly Dictionary<CellHash, Book> _providerBefore = [];
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private CocoonNode _client, _provider;
    private int _crashes;
    private string? _lastFailure;

    private CrashWalk(CocoonNetwork network, bool killsClient, CocoonNode client, CocoonNode provider)
    {
        _network = network;
        _killsClient = killsClient;
        _client = client;
        _provider = provider;
    }

    public static bool IsFull => Environment.GetEnvironmentVariable("COCOON_CRASH_WALK") == "full";

    private CocoonNode Victim => _killsClient ? _client : _provider;

    public static async Task<CrashWalk> StartAsync(bool killsClient, CancellationToken cancellationToken)
    {
        CocoonNetwork network = await CocoonNetwork.StartAsync(cancellationToken);
        CocoonNode provider = await network.StartProviderAsync(
            "provider", 0.02m, 0.64m, cancellationToken, options: ["--claim-at", "1000", "--listen", $"/ip4/127.0.0.1/tcp/{FreePort()}"]);
        CocoonNode client = await network.StartClientAsync(
            "client", 20 * CocoonNetwork.Ton, cancellationToken, options: ["--limit-opens", "1000", "--limit-provider", "1000", "--limit-day", "1000"]);
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, provider);
        CrashWalk walk = new(network, killsClient, client, provider);
        await walk.Victim.KillAsync();
        Print($"{"step",-28}{"client vouched",15}{"provider holds",15}{"owed",10}{"client may lose",17}{"provider may lose",19}{"claimed",11}{"s",7}");
        return walk;
    }

    /// <summary>Steps of a message to the chain, for one kind of intention.</summary>
    /// <param name="kind">Of the intention.</param>
    /// <param name="all">Also the steps that differ least from their neighbours.</param>
    public static string[] Outbox(string kind, bool all = false) =>
        [.. (IsFull || all ? (string[])["queued", "signed", "sent", "seen", "recorded"] : ["signed", "sent", "seen"]).Select(step => CrashPoint.Outbox(step, kind))];

    /// <summary>For each step: starts the victim so that it dies there, does what leads there, sees it die of SIGKILL, and judges both books.</summary>
    public async Task CrashAsync(Func<CancellationToken, Task> act, CancellationToken cancellationToken, params string[] steps)
    {
        foreach (string step in steps)
        {
            CocoonNode victim = _network.Relaunch(Victim, step);
            (_client, _provider) = _killsClient ? (victim, _provider) : (_client, victim);
            using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Task death = DieAsync(victim, step, cancellationToken);
            Task acting = ActAsync(victim, act, over.Token);
            await Task.WhenAny(death);
            await over.CancelAsync();
            await acting;
            await death;
            await JudgeAsync(step, cancellationToken);
        }
    }

    /// <summary>The client falls silent in the middle of an answer until the provider has served all that it lends, and dies: no step of ours, but of every cut line.</summary>
    public async Task SilenceAsync(CancellationToken cancellationToken)
    {
        _client = await ReviveAsync(cancellationToken);
        int pieces = 0;
        Task<ChatAnswer> asking = Chat.StreamAsync(_client, Chat.Long(_provider.PeerId, tokens: 300), cancellationToken, _ =>
        {
            if (++pieces == 20)
            {
                Signals.Freeze(_client.ProcessId);
            }

            return Task.CompletedTask;
        });
        JsonObject parked = await Eventually.GetAsync(
            "the provider has served all that it lends",
            () => _provider.ChannelAsync(c => (int)c["live_sessions"]! == 1 && Amount(c, "spent_nanoton") > Amount(c, "vouchered_nanoton"), cancellationToken),
            s_quiet,
            cancellationToken);
        await _client.KillAsync();
        Assert.That(async () => await asking, Throws.InstanceOf<HttpRequestException>().Or.InstanceOf<IOException>());
        await JudgeAsync("(silence)", cancellationToken);

        _client = await ReviveAsync(cancellationToken);
        ChatAnswer next = await Chat.StreamAsync(_client, Chat.Ask("And now?", _provider.PeerId), cancellationToken);
        string channel = (string)parked["address"]!;
        Assert.That((next.ErrorText, next.Channel), Is.EqualTo(("", channel)), "the channel is not lost for it");

        // The answer's last voucher is under way when the application has its last word.
        JsonObject paid = await Eventually.GetAsync(
            "the provider holds what is owed, what it served unseen too",
            () => _provider.ChannelAsync(
                c => (string)c["address"]! == channel && (int)c["live_sessions"]! == 0 && Amount(c, "vouchered_nanoton") >= Amount(c, "spent_nanoton"), cancellationToken),
            s_quiet,
            cancellationToken);
        JsonObject paying = (await _client.ChannelAsync(c => (string)c["address"]! == channel, cancellationToken))!;
        Assert.That(Amount(paying, "spent_nanoton"), Is.EqualTo(Amount(paid, "spent_nanoton")), "both books say the same is owed");
        Assert.That(Amount(paid, "spent_nanoton"), Is.GreaterThan(Amount(parked, "spent_nanoton")), "what was served unseen, and the answer after it");
        Assert.That(Amount(paid, "vouchered_nanoton"), Is.EqualTo(Amount(paying, "vouchered_nanoton")), "and every voucher has arrived");
        await _client.KillAsync();
    }

    /// <summary>Beside the one whose opening the last death interrupted.</summary>
    public Task OpenAsync(CancellationToken cancellationToken) => _client.Control.PostAsync(
        "/control/channels/open", new JsonObject { ["provider"] = _provider.PeerId, ["deposit_nanoton"] = "50000000", ["another"] = true }, cancellationToken);

    /// <summary>An answer of about five steps.</summary>
    public async Task AskAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(s_answer);
        try
        {
            _lastFailure = (await Chat.StreamAsync(_client, Chat.Long(_provider.PeerId, tokens: 300), limit.Token)).ErrorText;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"no answer within {s_answer.TotalSeconds:0} s");
        }
    }

    /// <summary>Something new to claim, and the claim.</summary>
    public async Task ClaimAsync(CancellationToken cancellationToken)
    {
        await AskAsync(cancellationToken);
        await _provider.Control.PostAsync("/control/channels/all/claim", [], cancellationToken);
    }

    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        await _network.Devnet.AdvanceAsync(61);
        await _client.Control.PostAsync($"/control/channels/{await AnyChannelAsync(cancellationToken)}/close", [], cancellationToken);
    }

    public async Task CloseAloneAsync(CancellationToken cancellationToken)
    {
        await _network.Devnet.AdvanceAsync(61);
        string channel = await AnyChannelAsync(cancellationToken);
        await _client.Control.PostAsync($"/control/channels/{channel}/close", new JsonObject { ["alone"] = true }, cancellationToken);
        await _network.Devnet.AdvanceAsync(3_601);
        await _client.Control.PostAsync($"/control/channels/{channel}/close", [], cancellationToken);
    }

    /// <summary>Everybody lives: one more question is answered, every channel is closed, and the chain agrees to the nanoton.</summary>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        CocoonNode survivor = await ReviveAsync(cancellationToken);
        (_client, _provider) = _killsClient ? (survivor, _provider) : (_client, survivor);
        ChatAnswer answer = await Chat.StreamAsync(_client, Chat.Ask("Still there?", _provider.PeerId), cancellationToken);
        Assert.That(answer.ErrorText, Is.Empty, "after all of it, it still works");
        await _network.Devnet.AdvanceAsync(61);
        foreach (JsonObject open in (await ChannelsAsync(_client, cancellationToken)).Where(c => (string)c["state"]! is "open" or "closing"))
        {
            await Eventually.GetAsync(
                $"channel {open["address"]} closes", () => TryCloseAsync((string)open["channel"]!, cancellationToken), s_quiet, cancellationToken);
        }

        await CheckChainAsync(cancellationToken);
    }

    public ValueTask DisposeAsync() => _network.DisposeAsync();

    /// <summary>The victim, alive and with the other side in sight.</summary>
    private async Task<CocoonNode> ReviveAsync(CancellationToken cancellationToken)
    {
        CocoonNode survivor = _network.Relaunch(Victim, crashAt: null);
        Assert.That(await survivor.IsReadyAsync(cancellationToken), Is.True, survivor.LogTail());
        await (_killsClient
            ? CocoonNetwork.WaitForOffersAsync(survivor, cancellationToken, _provider)
            : CocoonNetwork.WaitForOffersAsync(_client, cancellationToken, survivor));
        return survivor;
    }

    /// <summary>Again and again, as a person would, until the victim is dead: what a step needs may still be on its way back from the last death.</summary>
    private async Task ActAsync(CocoonNode victim, Func<CancellationToken, Task> act, CancellationToken cancellationToken)
    {
        using PeriodicTimer again = new(s_again);
        do
        {
            try
            {
                if (!await victim.IsReadyAsync(cancellationToken))
                {
                    return;
                }

                await CocoonNetwork.WaitForOffersAsync(_client, cancellationToken, _provider);
                await act(cancellationToken);
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException or CliException or ControlException or TimeoutException)
            {
                // The victim died under it; whether it did, and where, is looked at by whoever waits for its end.
                _lastFailure = (exception as ControlException)?.ToCliException().Why ?? exception.Message;
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
        while (victim.IsAlive && await NextAsync(again, cancellationToken));
    }

    private static async Task<bool> NextAsync(PeriodicTimer timer, CancellationToken cancellationToken)
    {
        try
        {
            return await timer.WaitForNextTickAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private async Task DieAsync(CocoonNode victim, string step, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(s_death);
        try
        {
            Assert.That(await victim.WaitForEndAsync(limit.Token), Is.EqualTo(KilledCode), $"at {step} it died of something else:\n{victim.LogTail()}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new AssertionException($"{step} was not reached ({_lastFailure}); the log ends:\n{victim.LogTail()}");
        }
    }

    /// <summary>The dead side's book is its file; the living side's is asked for when the broken session is over there.</summary>
    private async Task JudgeAsync(string step, CancellationToken cancellationToken)
    {
        _crashes++;
        Dictionary<CellHash, Book> client = _killsClient ? await ReadClientAsync() : await AskAsync(_client, cancellationToken);
        Dictionary<CellHash, Book> provider = _killsClient ? await AskAsync(_provider, cancellationToken) : await ReadProviderAsync();
        NotBackwards(step, "client", _clientBefore, client);
        NotBackwards(step, "provider", _providerBefore, provider);
        ulong clientLoses = 0, providerLoses = 0, owed = 0;
        foreach ((CellHash id, Book paying) in client)
        {
            // A provider started again forgets channels that are over.
            Book held = provider.GetValueOrDefault(id) ?? _providerBefore.GetValueOrDefault(id) ?? Book.Unknown;
            Assert.That(held.Vouchered, Is.LessThanOrEqualTo(paying.Vouchered), $"{step}: a voucher left before its total was stored");
            Assert.That(held.Claimed, Is.LessThanOrEqualTo(held.Vouchered), $"{step}: paid more than was vouched");

            // What a dead client saw of its last answer is not on its disk; what a dead provider served is known to the client.
            ulong due = _killsClient ? held.Owed : Math.Max(held.Owed, paying.Owed);
            ulong leads = Above(paying.Vouchered, due), lent = Above(due, held.Vouchered);
            Assert.That(leads, Is.LessThanOrEqualTo(Step), $"{step}: the client leads by one step at most, also with what the provider has not stored");
            Assert.That(lent, Is.LessThanOrEqualTo(CreditWindow(held.Vouchered)), $"{step}: the provider lends its credit window at most");
            (clientLoses, providerLoses, owed) = (Math.Max(clientLoses, leads), Math.Max(providerLoses, lent), owed + due);
        }

        Assert.That(provider.Keys, Is.SubsetOf(client.Keys), $"{step}: a channel that nobody opened");
        Print(string.Create(CultureInfo.InvariantCulture,
            $"{step,-28}{Sum(client, b => b.Vouchered),15}{Sum(provider, b => b.Vouchered),15}{owed,10}{clientLoses,17}{providerLoses,19}{Sum(provider, b => b.Claimed),11}{_watch.Elapsed.TotalSeconds,7:0.0}"));
    }

    /// <summary>
    /// Design §4, written down once more: nothing on a channel that has paid nothing, then min(offer's maximum, max(step, 10 % of paid)),
    /// and at most 0.001 TON until 0.01 TON is paid.
    /// </summary>
    private static ulong CreditWindow(ulong paid) => paid == 0 ? 0
        : Math.Min(Math.Min(OfferedCredit, Math.Max(Step, paid / 10)), paid < 10_000_000 ? 1_000_000 : ulong.MaxValue);

    /// <summary>One opening per address, every account's history adds up to its balance, and what each channel paid is what was vouched or less.</summary>
    private async Task CheckChainAsync(CancellationToken cancellationToken)
    {
        TonAddress payer = await CocoonNetwork.WalletAsync(_client, cancellationToken), payout = await CocoonNetwork.WalletAsync(_provider, cancellationToken);
        Dictionary<CellHash, Book> books = await AskAsync(_client, cancellationToken);
        Dictionary<CellHash, Book> incoming = await AskAsync(_provider, cancellationToken);
        ChannelAuditor auditor = new(_network.Devnet.Client);
        ulong redeemed = 0;
        foreach ((CellHash id, Book book) in books)
        {
            TonAddress channel = new(0, id);
            ChannelAudit paid = await auditor.AuditAsync(channel, payer, cancellationToken), received = await auditor.AuditAsync(channel, payout, cancellationToken);
            Assert.That(book.State, Is.EqualTo("closed").Or.EqualTo("failed"), channel.ToString());
            Assert.That((paid.IsExact, received.IsExact), Is.EqualTo((true, true)), string.Join('\n', paid.Checks.Concat(received.Checks)));
            Assert.That(paid.LeftInChannel, Is.Zero);
            Assert.That(paid.Redeemed ?? 0, Is.LessThanOrEqualTo(book.Vouchered));
            Assert.That(paid.Redeemed ?? 0, Is.GreaterThanOrEqualTo(incoming.TryGetValue(id, out Book? held) ? Math.Min(held.Owed, held.Vouchered) : 0), "the provider got what it is owed");
            int opens = paid.Entries.Count(e => e.Account == "wallet" && e.What.Contains("open channel", StringComparison.Ordinal));
            Assert.That(opens, Is.EqualTo(book.State == "failed" ? 0 : 1), $"openings of {channel}");
            redeemed += paid.Redeemed ?? 0;
        }

        Print(string.Create(CultureInfo.InvariantCulture,
            $"{_crashes} kills; {books.Count} channels, each opened at most once; {redeemed} nanoTON redeemed in all; both wallets' histories exact to the nanoton"));
    }

    private async Task<object?> TryCloseAsync(string channel, CancellationToken cancellationToken)
    {
        try
        {
            return await _client.Control.PostAsync($"/control/channels/{channel}/close", [], cancellationToken);
        }
        catch (ControlException) when (!cancellationToken.IsCancellationRequested)
        {
            // The node may have ended it by itself meanwhile, or is about to.
            return (await ChannelsAsync(_client, cancellationToken)).Any(c => (string)c["channel"]! == channel && (string)c["state"]! == "closed") ? channel : null;
        }
    }

    /// <summary>One that is being closed, else an open one, else a new one.</summary>
    private async Task<string> AnyChannelAsync(CancellationToken cancellationToken)
    {
        JsonObject[] channels = await ChannelsAsync(_client, cancellationToken);
        JsonObject? chosen = channels.FirstOrDefault(c => (string)c["state"]! == "closing") ?? channels.FirstOrDefault(c => (string)c["state"]! == "open");
        if (chosen is not null)
        {
            return (string)chosen["channel"]!;
        }

        await OpenAsync(cancellationToken);
        await _network.Devnet.AdvanceAsync(61);
        return await AnyChannelAsync(cancellationToken);
    }

    private static async Task<JsonObject[]> ChannelsAsync(CocoonNode node, CancellationToken cancellationToken) =>
        [.. (await node.GetAsync("/control/channels", cancellationToken))["channels"]!.AsArray().OfType<JsonObject>()];

    private static async Task<Dictionary<CellHash, Book>> AskAsync(CocoonNode node, CancellationToken cancellationToken)
    {
        JsonObject[] channels = await Eventually.GetAsync(
            $"no session lives on {node.Name}",
            async () => await ChannelsAsync(node, cancellationToken) is { } all && all.All(c => (int)c["live_sessions"]! == 0) ? all : null,
            s_quiet,
            cancellationToken);
        return channels.ToDictionary(
            c => new CellHash(Convert.FromHexString((string)c["channel"]!)),
            c => new Book((string)c["state"]!, Amount(c, "vouchered_nanoton"), Amount(c, "spent_nanoton"), Amount(c, "redeemed_nanoton")));
    }

    private async Task<Dictionary<CellHash, Book>> ReadClientAsync()
    {
        await using CocoonDatabase file = CocoonDatabase.Open(Path.Combine(_client.DataDirectory, "cocoon.db"));
        return new ClientChannelStore(file).List(MaxListed)
            .ToDictionary(r => r.Channel, r => new Book(r.State.ToString().ToLowerInvariant(), r.HighestTotal, r.Due, r.Claimed));
    }

    private async Task<Dictionary<CellHash, Book>> ReadProviderAsync()
    {
        await using CocoonDatabase file = CocoonDatabase.Open(Path.Combine(_provider.DataDirectory, "cocoon.db"));
        return new ProviderChannelStore(file).List(MaxListed)
            .ToDictionary(r => r.Channel, r => new Book(r.Gone ? "closed" : "open", r.Voucher?.Statement.Total ?? 0, r.Due, r.Claimed));
    }

    private static void NotBackwards(string step, string side, Dictionary<CellHash, Book> before, Dictionary<CellHash, Book> now)
    {
        foreach ((CellHash id, Book known) in before)
        {
            if (now.TryGetValue(id, out Book? book))
            {
                Assert.That(book.Vouchered, Is.GreaterThanOrEqualTo(known.Vouchered), $"{step}: the {side}'s total went backwards");
                Assert.That(book.Claimed, Is.GreaterThanOrEqualTo(known.Claimed), $"{step}: the {side}'s claimed sum went backwards");
            }
        }

        foreach ((CellHash id, Book book) in now)
        {
            before[id] = book;
        }
    }

    private static int FreePort()
    {
        using TcpListener probe = new(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    private static ulong Sum(Dictionary<CellHash, Book> books, Func<Book, ulong> amount) => books.Values.Aggregate(0UL, (sum, b) => sum + amount(b));

    private static ulong Amount(JsonObject row, string field) => ulong.Parse((string)row[field]!, CultureInfo.InvariantCulture);

    private static void Print(string line) => TestContext.Progress.WriteLine("crash-walk  " + line);

    private static ulong Above(ulong amount, ulong floor) => amount > floor ? amount - floor : 0;

    /// <param name="Claimed">As far as this side knows.</param>
    private sealed record Book(string State, ulong Vouchered, ulong Owed, ulong Claimed)
    {
        /// <summary>Of a channel that this side has not met.</summary>
        public static Book Unknown { get; } = new("unknown", 0, 0, 0);
    }
}
