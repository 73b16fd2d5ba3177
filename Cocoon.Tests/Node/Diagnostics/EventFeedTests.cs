using System.Text.Json.Nodes;
using Cocoon.Node.Diagnostics;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Diagnostics;

[CancelAfter(30_000)]
public sealed class EventFeedTests
{
    [Test]
    public async Task Watch_BeginsWithThePast_ThenFollows(CancellationToken cancellationToken)
    {
        EventFeed feed = new(new ManualTimeProvider());
        feed.Publish("peer_joined", "a");
        feed.Publish("peer_left", "a");
        await using IAsyncEnumerator<JsonObject> watcher = feed.WatchAsync(last: 1, Everything, cancellationToken).GetAsyncEnumerator(cancellationToken);
        Assert.That(await watcher.MoveNextAsync(), Is.True);
        Assert.That((string?)watcher.Current["type"], Is.EqualTo("peer_left"));
        ValueTask<bool> next = watcher.MoveNextAsync();
        feed.Publish("voucher", null, ("total_nanoton", "7"));
        Assert.That(await next, Is.True);
        Assert.That(watcher.Current.ToJsonString(), Is.EqualTo("""{"sequence":3,"at":"2026-01-01T00:00:00.000Z","type":"voucher","peer":null,"total_nanoton":"7"}"""));
    }

    [Test]
    public async Task Watch_ThatIsTooSlow_LosesTheOldestAndIsToldHowMany(CancellationToken cancellationToken)
    {
        EventFeed feed = new(new ManualTimeProvider());
        feed.Publish("first", null);
        await using IAsyncEnumerator<JsonObject> watcher = feed.WatchAsync(last: 1, Everything, cancellationToken).GetAsyncEnumerator(cancellationToken);
        Assert.That(await watcher.MoveNextAsync(), Is.True);
        for (int i = 0; i < EventFeed.MaxKept + 10; i++)
        {
            feed.Publish("later", null);
        }

        Assert.That(await watcher.MoveNextAsync(), Is.True);
        Assert.That(watcher.Current.ToJsonString(), Is.EqualTo("""{"type":"events_lost","count":10}"""));
        Assert.That(await watcher.MoveNextAsync(), Is.True);
        Assert.That((long)watcher.Current["sequence"]!, Is.EqualTo(12));
    }

    /// <summary>Gossip comes with every offer that is refreshed: a watcher of something else neither loses by it nor takes it for a sign of life.</summary>
    [Test]
    public async Task Watch_OfOneType_IsNotReachedByOthers(CancellationToken cancellationToken)
    {
        EventFeed feed = new(new ManualTimeProvider());
        feed.Publish("voucher", "past");
        feed.Publish("gossip", null);
        await using IAsyncEnumerator<JsonObject> watcher = feed.WatchAsync(last: 1, item => (string?)item["type"] == "voucher", cancellationToken).GetAsyncEnumerator(cancellationToken);
        Assert.That(await watcher.MoveNextAsync(), Is.True);
        Assert.That((string?)watcher.Current["peer"], Is.EqualTo("past"), "the last of its type");
        Task<bool> next = watcher.MoveNextAsync().AsTask();
        feed.Publish("gossip", null);
        Assert.That(next.IsCompleted, Is.False);
        feed.Publish("voucher", "a");
        Assert.That(await next, Is.True);
        feed.Publish("voucher", "b");
        for (int i = 0; i < 2 * EventFeed.MaxKept; i++)
        {
            feed.Publish("gossip", null);
        }

        Assert.That(await watcher.MoveNextAsync(), Is.True);
        Assert.That((string?)watcher.Current["peer"], Is.EqualTo("b"), "nothing was lost");
    }

    [Test]
    public async Task Watchers_AreBounded_AndLeaveTheirPlace(CancellationToken cancellationToken)
    {
        EventFeed feed = new(new ManualTimeProvider());
        feed.Publish("first", null);
        List<IAsyncEnumerator<JsonObject>> watchers = [];
        for (int i = 0; i < EventFeed.MaxWatchers; i++)
        {
            watchers.Add(feed.WatchAsync(1, Everything, cancellationToken).GetAsyncEnumerator(cancellationToken));
            await watchers[^1].MoveNextAsync();
        }

        await using IAsyncEnumerator<JsonObject> surplus = feed.WatchAsync(1, Everything, cancellationToken).GetAsyncEnumerator(cancellationToken);
        Assert.That(async () => await surplus.MoveNextAsync(), Throws.InvalidOperationException);
        foreach (IAsyncEnumerator<JsonObject> watcher in watchers)
        {
            await watcher.DisposeAsync();
        }

        Assert.That(feed.IsWatched, Is.False);
    }

    private static bool Everything(JsonObject item) => true;
}
