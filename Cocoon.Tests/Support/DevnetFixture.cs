using NUnit.Framework;

namespace Cocoon.Tests.Support;

/// <summary>Tests against a devnet of their own: the real virtual machine behind the real API.</summary>
[Category("Chain")]
internal abstract class DevnetFixture
{
    protected const ulong Ton = 1_000_000_000;

    private readonly List<IAsyncDisposable> _owned = [];
    private DevnetProcess? _devnet;

    protected DevnetProcess Devnet => _devnet ?? throw new InvalidOperationException("The devnet is not running.");

    protected static CancellationToken Patience => TestContext.CurrentContext.CancellationToken;

    protected virtual string[] DevnetOptions => [];

    [OneTimeSetUp]
    public async Task StartDevnetAsync() => _devnet = await DevnetProcess.StartAsync(DevnetOptions);

    [TearDown]
    public async Task DisposeOwnedAsync()
    {
        foreach (IAsyncDisposable owned in Enumerable.Reverse(_owned))
        {
            await owned.DisposeAsync();
        }

        _owned.Clear();
    }

    [OneTimeTearDown]
    public async Task StopDevnetAsync()
    {
        if (_devnet is not null)
        {
            await _devnet.DisposeAsync();
        }
    }

    /// <summary>Disposes of it after the test, in the reverse order.</summary>
    protected T Own<T>(T owned)
        where T : IAsyncDisposable
    {
        _owned.Add(owned);
        return owned;
    }
}
