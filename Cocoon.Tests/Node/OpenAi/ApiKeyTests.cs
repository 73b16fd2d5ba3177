using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Cocoon.Node.OpenAi;
using Cocoon.Node.Sessions;
using Cocoon.Node.Storage;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Node.OpenAi;

/// <summary>Keys: who may ask, what each may spend, and what of them is on the disk.</summary>
public sealed class ApiKeyTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("cocoon-keys-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public async Task Reserve_NeverExceedsALimit_AndOutlivesTheProcess()
    {
        ManualTimeProvider time = new();
        string path = Path.Combine(_folder, "node.db");
        string id;
        await using (CocoonDatabase database = CocoonDatabase.Open(path))
        {
            ApiKeyStore store = new(database, time);
            id = (await store.CreateAsync("bot", [], limit: 100, dailyLimit: 60, default)).Key.Id;
            SpendReservation first = await store.ReserveAsync(id, 50, default);
            Assert.That(first.Granted, Is.EqualTo(50UL));
            await store.ReleaseAsync(id, first, 20);
            Assert.That((await store.ReserveAsync(id, 50, default)).Granted, Is.EqualTo(30UL), "the day's limit leaves less");
            Assert.That((await store.ReserveAsync(id, 50, default)).Granted, Is.Zero);
            Assert.That(store.List().Single().Requests, Is.EqualTo(2), "one that was not admitted is none");
        }

        time.Advance(TimeSpan.FromDays(1));
        await using (CocoonDatabase database = CocoonDatabase.Open(path))
        {
            ApiKeyStore store = new(database, time);
            Assert.That((await store.ReserveAsync(id, 50, default)).Granted, Is.EqualTo(40UL), "a new day, but the whole limit leaves 40");
            Assert.That(store.List().Single().Spent, Is.EqualTo(100UL));
        }
    }

    [Test]
    public async Task Release_AfterMidnight_GivesTheNewDayNothing()
    {
        ManualTimeProvider time = new();
        await using CocoonDatabase database = CocoonDatabase.Open(Path.Combine(_folder, "node.db"));
        ApiKeyStore store = new(database, time);
        string id = (await store.CreateAsync("bot", [], limit: 1000, dailyLimit: 60, default)).Key.Id;
        SpendReservation yesterday = await store.ReserveAsync(id, 60, default);
        time.Advance(TimeSpan.FromDays(1));
        await store.ReserveAsync(id, 50, default);

        await store.ReleaseAsync(id, yesterday, 60);
        ApiKey key = store.List().Single();
        Assert.That((key.Spent, key.SpentToday), Is.EqualTo((50UL, 50UL)));
        Assert.That((await store.ReserveAsync(id, 60, default)).Granted, Is.EqualTo(10UL), "what yesterday left over is not today's");
    }

    [Test]
    public async Task Reserve_ManyAtOnce_GrantNoMoreThanTheLimit()
    {
        await using CocoonDatabase database = CocoonDatabase.Open(Path.Combine(_folder, "node.db"));
        ApiKeyStore store = new(database, TimeProvider.System);
        string id = (await store.CreateAsync("bot", [], limit: 1000, dailyLimit: null, default)).Key.Id;
        SpendReservation[] booked = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => store.ReserveAsync(id, 30, default)));
        Assert.That(booked.Aggregate(0UL, (sum, b) => sum + b.Granted), Is.EqualTo(1000UL));
    }

    [Test]
    public async Task Create_Secret_IsNowhereOnTheDisk()
    {
        string secret;
        await using (CocoonDatabase database = CocoonDatabase.Open(Path.Combine(_folder, "node.db")))
        {
            ApiKeyStore store = new(database, TimeProvider.System);
            secret = (await store.CreateAsync("bot", ["cc-gpu"], null, null, default)).Secret;
            Assert.That(store.Find(secret)?.Name, Is.EqualTo("bot"));
            Assert.That(store.Find(secret[..^1] + (secret[^1] == '0' ? '1' : '0')), Is.Null);
            Assert.That(() => store.CreateAsync("bot", [], null, null, default), Throws.InstanceOf<StorageException>(), "names are unique");
        }

        string random = secret[(secret.LastIndexOf('-') + 1)..];
        foreach (string file in Directory.EnumerateFiles(_folder))
        {
            Assert.That(Encoding.Latin1.GetString(await File.ReadAllBytesAsync(file)), Does.Not.Contain(random));
        }
    }

    [Test]
    public async Task Ask_OnceThereIsAKey_NeedsOne()
    {
        ScriptedClient client = new("x");
        await using OpenAiApi api = await OpenAiApi.StartAsync(client);
        Assert.That((await AskAsync(api, "anything")).Status, Is.EqualTo(HttpStatusCode.OK));
        (ApiKey key, string secret) = await api.Keys.CreateAsync("bot", ["cc-gpu", "cc-cpu"], 1000, null, default);

        (HttpStatusCode status, string body) = await AskAsync(api, "anything");
        Assert.That((status, body.Contains("invalid_api_key", StringComparison.Ordinal)), Is.EqualTo((HttpStatusCode.Unauthorized, true)));
        Assert.That((await AskAsync(api, secret)).Status, Is.EqualTo(HttpStatusCode.OK));
        Ask asked = client.Asks.Last();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(asked.Tiers, Is.EquivalentTo(new[] { "cc-gpu", "cc-cpu" }));
            Assert.That(asked.AllowOpenTier, Is.False, "the key's tiers are stricter than the client's");
            Assert.That((await asked.Budget!.ReserveAsync(5000, default)).Granted, Is.EqualTo(1000UL));
            Assert.That(asked.TenantSecret, Is.Not.EqualTo(client.Asks.First().TenantSecret));
        }

        await api.Keys.RemoveAsync(key.Id, default);
        Assert.That((await asked.Budget!.ReserveAsync(1, default)).Granted, Is.Zero, "a removed key buys nothing more");
        Assert.That((await AskAsync(api, "anything")).Status, Is.EqualTo(HttpStatusCode.OK));
    }

    private static async Task<(HttpStatusCode Status, string Body)> AskAsync(OpenAiApi api, string key)
    {
        using HttpClient http = new();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        using HttpResponseMessage response = await http.PostAsync(
            new Uri(api.BaseUrl, "chat/completions"), new StringContent("""{"model":"m","messages":[{}]}""", Encoding.UTF8, "application/json"));
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }
}
