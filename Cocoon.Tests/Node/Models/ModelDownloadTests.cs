using System.Security.Cryptography;
using Cocoon.Node.Models;
using Cocoon.Tests.Node.Storage;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Models;

/// <summary>Downloads over real HTTP: parallel ranges, interruptions, and servers that lie.</summary>
public sealed class ModelDownloadTests
{
    private const int Guard = 60_000;

    // Three segments.
    private static readonly byte[] Content = RandomNumberGenerator.GetBytes((32 << 20) + 12_345);

    private readonly HttpClient _http = new();
    private ModelServer _server = null!;
    private TemporaryDirectory _folder = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _folder = new TemporaryDirectory();
        _server = await ModelServer.StartAsync();
        _server.Add("m.gguf", Content);
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [OneTimeTearDown]
    public void Dispose() => _http.Dispose();

    [Test, CancelAfter(Guard)]
    public async Task File_InParallelRanges_IsWhole(CancellationToken cancellationToken)
    {
        List<DownloadProgress> progress = [];
        string path = await Download(Known(), cancellationToken, progress.Add);
        Assert.That(await ModelStore.HashAsync(path, cancellationToken), Is.EqualTo(Digest(Content)));
        Assert.That(_server.Starts, Is.EquivalentTo(new[] { 0L, 16 << 20, 32 << 20 }));
        Assert.That(progress[^1], Is.EqualTo(new DownloadProgress("m.gguf", Content.Length, Content.Length)));
        Assert.That(Directory.GetFiles(_folder.Path), Has.Length.EqualTo(1), "no state is left");
    }

    [Test, CancelAfter(Guard)]
    public async Task Connections_CutInTheMiddle_AreTriedAgain(CancellationToken cancellationToken)
    {
        _server.CutFirst = 4;
        List<long> done = [];
        string path = await Download(Known(), cancellationToken, p => done.Add(p.Done));
        Assert.That(await ModelStore.HashAsync(path, cancellationToken), Is.EqualTo(Digest(Content)));
        Assert.That(done.Max(), Is.EqualTo(Content.Length), "bytes of broken tries do not count");
    }

    [Test, CancelAfter(Guard)]
    public async Task Interrupted_GoesOnWithWhatIsThere(CancellationToken cancellationToken)
    {
        using (CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken))
        {
            Task<string> first = new ModelDownload(_http, TimeProvider.System).RunAsync(Known(), _folder.Path, 1, p =>
            {
                if (p.Done > 17 << 20)
                {
                    stop.Cancel();
                }
            }, stop.Token);
            Assert.That(async () => await first, Throws.InstanceOf<OperationCanceledException>());
        }

        _server.Starts.Clear();
        string path = await Download(Known(), cancellationToken);
        Assert.That(_server.Starts, Does.Not.Contain(0L), "the first segment was kept");
        Assert.That(await ModelStore.HashAsync(path, cancellationToken), Is.EqualTo(Digest(Content)));
    }

    [Test, CancelAfter(Guard)]
    public async Task Server_WithoutRanges_IsReadInOnePiece(CancellationToken cancellationToken)
    {
        _server.HasRanges = false;
        Assert.That(await ModelStore.HashAsync(await Download(Known(), cancellationToken), cancellationToken), Is.EqualTo(Digest(Content)));
    }

    [Test, CancelAfter(Guard)]
    public async Task OtherBytesThanAnnounced_AreThrownAway(CancellationToken cancellationToken)
    {
        RemoteFile wrong = Known() with { Sha256 = new string('0', 64) };
        ModelException refused = (await Assert.ThrowsAsync<ModelException>(() => Download(wrong, cancellationToken)))!;
        Assert.That(refused.Code, Is.EqualTo(ModelErrorCode.DigestMismatch));
        Assert.That(Directory.GetFiles(_folder.Path), Is.Empty);
    }

    [TestCase(false), TestCase(true), CancelAfter(Guard)]
    public async Task FileThatChangesMeanwhile_WithoutTag_IsNotMixed(bool changes, CancellationToken cancellationToken)
    {
        _server.LastModified = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        _server.Changes = changes;
        RemoteFile unknown = Known() with { Size = null, Sha256 = null };
        if (!changes)
        {
            Assert.That(await ModelStore.HashAsync(await Download(unknown, cancellationToken), cancellationToken), Is.EqualTo(Digest(Content)));
            return;
        }

        ModelException refused = (await Assert.ThrowsAsync<ModelException>(() => Download(unknown, cancellationToken)))!;
        Assert.That((refused.Code, refused.Message), Is.EqualTo((ModelErrorCode.DigestMismatch, "m.gguf changed on the server while it was downloaded")));
    }

    [Test, CancelAfter(Guard)]
    public async Task MoreThanTheDiskHoldsFree_AfterABrokenTry_IsStillRefused(CancellationToken cancellationToken)
    {
        // The file of a broken try has its whole length and hardly a byte.
        _server.ClaimedLength = 1L << 42;
        RemoteFile huge = Known() with { Size = null };
        string key = huge.Sha256![..64];
        string path = Path.Combine(_folder.Path, Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(key)))[..32] + ".part");
        await using (FileStream part = File.Create(path))
        {
            part.SetLength(1L << 42);
        }

        ModelException refused = (await Assert.ThrowsAsync<ModelException>(() => Download(huge, cancellationToken)))!;
        Assert.That((refused.Code, _server.Starts.Count), Is.EqualTo((ModelErrorCode.NoSpace, 0)));
    }

    [Test, CancelAfter(Guard)]
    public async Task OtherSizeThanAnnounced_IsRefusedBeforeADownload(CancellationToken cancellationToken)
    {
        ModelException refused = (await Assert.ThrowsAsync<ModelException>(() => Download(Known() with { Size = 17 }, cancellationToken)))!;
        Assert.That(refused.Code, Is.EqualTo(ModelErrorCode.DigestMismatch));
        Assert.That(_server.Starts, Is.Empty);
    }

    [Test, CancelAfter(Guard)]
    public async Task MoreThanTheDiskHoldsFree_IsRefusedBeforeADownload(CancellationToken cancellationToken)
    {
        _server.ClaimedLength = 1L << 42;
        ModelException refused = (await Assert.ThrowsAsync<ModelException>(() => Download(Known() with { Size = null, Sha256 = null }, cancellationToken)))!;
        Assert.That((refused.Code, _server.Starts.Count), Is.EqualTo((ModelErrorCode.NoSpace, 0)));
        Assert.That(refused.Why, Does.Contain("are free in"));
        Assert.That(Directory.GetFiles(_folder.Path), Is.Empty);
    }

    [Test, CancelAfter(Guard)]
    public async Task FileThatIsNotThere_OrServerThatIsNot_IsSaidPlainly(CancellationToken cancellationToken)
    {
        ModelException missing = (await Assert.ThrowsAsync<ModelException>(() => Download(Known("none.gguf"), cancellationToken)))!;
        RemoteFile nowhere = Known() with { Address = new Uri("http://127.0.0.1:9/files/m.gguf") };
        ModelException dead = (await Assert.ThrowsAsync<ModelException>(() => Download(nowhere, cancellationToken)))!;
        Assert.That((missing.Code, dead.Code), Is.EqualTo((ModelErrorCode.NotFound, ModelErrorCode.Network)));
    }

    private Task<string> Download(RemoteFile file, CancellationToken cancellationToken, Action<DownloadProgress>? progress = null) =>
        new ModelDownload(_http, TimeProvider.System) { Pause = TimeSpan.FromMilliseconds(1) }.RunAsync(file, _folder.Path, 3, progress ?? (_ => { }), cancellationToken);

    private RemoteFile Known(string name = "m.gguf") => new(new Uri(_server.Url, $"files/{name}"), name, Content.Length, Digest(Content));

    private static string Digest(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));
}
