using System.Runtime.CompilerServices;
using Cocoon.Node.EventStreams;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Node.EventStreams;

[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal sealed class PendingItemsTests
{
    private readonly TaskCompletionSource _arrives = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _isOver;

    [Test]
    public async Task DisposeAsync_WhileAnItemIsAwaited_WaitsForItAndRunsTheEnd()
    {
        PendingItems<int> items = new(ItemsAsync, CancellationToken.None);
        Assert.That(await items.MoveNextAsync(TimeSpan.Zero, TimeProvider.System, CancellationToken.None), Is.Null);
        Task left = items.DisposeAsync().AsTask();
        Assert.That((left.IsCompleted, _isOver), Is.EqualTo((false, false)));
        _arrives.SetResult();
        await left;
        Assert.That(_isOver, Is.True);
    }

    [Test]
    public async Task MoveNextAsync_NotYet_WaitsForTheSameItemNextTime()
    {
        ManualTimeProvider time = new();
        await using PendingItems<int> items = new(ItemsAsync, CancellationToken.None);
        Task<bool?> first = items.MoveNextAsync(TimeSpan.FromSeconds(10), time, CancellationToken.None);
        time.Advance(TimeSpan.FromSeconds(10));
        Assert.That(await first, Is.Null);
        _arrives.SetResult();
        Assert.That((await items.MoveNextAsync(Timeout.InfiniteTimeSpan, time, CancellationToken.None), items.Current), Is.EqualTo(((bool?)true, 1)));
        Assert.That(await items.MoveNextAsync(Timeout.InfiniteTimeSpan, time, CancellationToken.None), Is.False);
    }

    private async IAsyncEnumerable<int> ItemsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        try
        {
            await _arrives.Task;
            yield return 1;
        }
        finally
        {
            _isOver = true;
        }
    }
}
