using System.Security.Cryptography;
using Cocoon.Node.Models;
using Cocoon.Node.Storage;
using Cocoon.Tests.Node.Storage;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Models;

public sealed class ModelStoreTests
{
    private static readonly ModelFacts Facts = new(
        "Test", "llama", "Q4_0", 8_000_000_000, 4_500_000_000, 32, 4096, 32_768, 8, 128, 128, 128_256, ChatTemplate: true, "mit", 1);

    private TemporaryDirectory _folder = null!;
    private ModelStore _store = null!;

    [SetUp]
    public void SetUp()
    {
        _folder = new TemporaryDirectory();
        _store = new ModelStore(_folder.File("store"));
    }

    [TearDown]
    public void TearDown() => _folder.Dispose();

    [Test]
    public async Task Add_TwoNamesOneFile_StoreItsBytesOnce_AndRemoveThemLast()
    {
        StoredModel first = await AddAsync("one", "same bytes"), second = await AddAsync("two", "same bytes");
        Assert.That(_store.List().Select(m => m.Name), Is.EqualTo(new[] { "one", "two" }));
        Assert.That(Directory.GetFiles(Path.Combine(_store.Root, "blobs")), Has.Length.EqualTo(1));
        Assert.That(await File.ReadAllTextAsync(_store.PathOf(first)), Is.EqualTo("same bytes"));
        Assert.That(_store.Remove(first), Is.Zero);
        Assert.That(await File.ReadAllTextAsync(_store.PathOf(second)), Is.EqualTo("same bytes"));
        Assert.That(_store.Remove(second), Is.EqualTo("same bytes".Length));
        Assert.That(Directory.GetFiles(Path.Combine(_store.Root, "blobs")), Is.Empty);
    }

    [Test]
    public async Task Add_NameOfAnotherModel_IsRefused()
    {
        await AddAsync("one", "these");
        ModelException refused = (await Assert.ThrowsAsync<ModelException>(() => AddAsync("one", "those")))!;
        Assert.That(refused.Code, Is.EqualTo(ModelErrorCode.NameTaken));
        Assert.That(await File.ReadAllTextAsync(_store.PathOf(_store.Find("one")!)), Is.EqualTo("these"));
    }

    [Test]
    public async Task FindDamage_ChangedOrMissingBytes_AreNamed()
    {
        StoredModel model = await AddAsync("one", "these");
        Assert.That(await _store.FindDamageAsync(model, CancellationToken.None), Is.Empty);
        await File.WriteAllTextAsync(_store.BlobPath(model.Files[0].Sha256), "thesE");
        Assert.That(await _store.FindDamageAsync(model, CancellationToken.None), Is.EqualTo(model.Files));
        File.Delete(_store.BlobPath(model.Files[0].Sha256));
        Assert.That(await _store.FindDamageAsync(model, CancellationToken.None), Is.EqualTo(model.Files));
    }

    [TestCase(false), TestCase(true)]
    public async Task Add_OfBytesThatAreDamaged_MendsThem(bool byAnotherName)
    {
        StoredModel model = await AddAsync("one", "these");
        await File.WriteAllTextAsync(_store.BlobPath(model.Files[0].Sha256), "thesE");
        StoredModel again = await AddAsync(byAnotherName ? "two" : "one", "these");
        Assert.That(await _store.FindDamageAsync(again, CancellationToken.None), Is.Empty);
        Assert.That(await _store.FindDamageAsync(model, CancellationToken.None), Is.Empty, "the bytes are shared");
        Assert.That(_store.FindAt(_store.PathOf(model))?.ModelId, Is.EqualTo(model.ModelId));
        Assert.That(_store.FindAt(_folder.File("elsewhere")), Is.Null);
    }

    [TestCase("{"), TestCase("null"), TestCase("""{"name":"../x","files":[]}"""), TestCase("""{"name":"x","files":[{"name":"../../etc","size":1,"sha256":"00"}]}""")]
    public void List_FilesThatAreNoManifests_AreSkipped(string content)
    {
        File.WriteAllText(Path.Combine(_store.Root, "models", "x.json"), content);
        Assert.That(_store.List(), Is.Empty);
        Assert.That(_store.Find("x"), Is.Null);
        Assert.That(_store.Find("../x"), Is.Null);
    }

    [TestCase("Qwen3-8B-Q4_K_M.gguf", "qwen3-8b-q4_k_m"), TestCase("Big-00001-of-00003.gguf", "big"), TestCase("ÄÖ .gguf", "model"), TestCase("a b.GGUF", "a-b")]
    public void Name_FromAFile_IsValid(string file, string name)
    {
        Assert.That(ModelName.FromFile(file), Is.EqualTo(name));
        Assert.That(ModelName.IsValid(name));
    }

    [TestCase("Qwen/Qwen3-8B-GGUF", "main", null), TestCase("hf:Qwen/Qwen3-8B-GGUF:Q4_K_M", "main", "Q4_K_M"),
     TestCase("Qwen/Qwen3-8B-GGUF@abc123:sub/x.gguf", "abc123", "sub/x.gguf"),
     TestCase("https://huggingface.co/Qwen/Qwen3-8B-GGUF/resolve/main/sub/x.gguf?download=true", "main", "sub/x.gguf")]
    public void Source_OfHuggingFace_IsRead(string text, string revision, string? want)
    {
        Assert.That(ModelSource.TryParse(text, out ModelSource? source));
        Assert.That(source, Is.EqualTo(new ModelSource.HuggingFace("Qwen/Qwen3-8B-GGUF", revision, want)));
    }

    [TestCase("http://example.org/x.gguf"), TestCase("ftp://example.org/x.gguf"), TestCase("file:///etc/passwd"), TestCase("x"), TestCase("a/b/c"), TestCase("../a/b"), TestCase("")]
    public void Source_OfAnythingElse_IsNone(string text) => Assert.That(ModelSource.TryParse(text, out _), Is.False);

    [Test]
    public void Fit_GrowsWithSlotsAndContext_AndMostSlotsFits()
    {
        MemoryFit one = MemoryFit.Of(Facts, 1, 8192), four = MemoryFit.Of(Facts, 4, 8192);
        Assert.That(one.CacheBytes, Is.EqualTo(32L * 8 * 256 * 2 * 8192), "2 bytes for key and value of each layer, head and token");
        Assert.That(four.CacheBytes, Is.EqualTo(4 * one.CacheBytes));
        Assert.That(MemoryFit.Of(Facts, 1, 0).ContextTokens, Is.EqualTo(8192));
        int most = MemoryFit.MostSlots(Facts, 8192, 16L << 30);
        Assert.That(MemoryFit.Of(Facts, most, 8192).Needed, Is.LessThanOrEqualTo(16L << 30));
        Assert.That(MemoryFit.Of(Facts, most + 1, 8192).Needed, Is.GreaterThan(16L << 30));
        Assert.That(MemoryFit.MostSlots(Facts, 8192, 1L << 30), Is.Zero);
    }

    [Test]
    public async Task Add_WithoutRoomForACopy_IsRefusedBeforeAByteIsWritten()
    {
        _store = new ModelStore(_store.Root) { FreeBytes = _ => 256L << 20 };
        ModelException refused = (await Assert.ThrowsAsync<ModelException>(() => AddAsync("one", "these")))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(refused.Code, Is.EqualTo(ModelErrorCode.NoSpace));
            Assert.That(refused.Why, Does.Contain("256.0 MiB are free"));
            Assert.That(Directory.GetFiles(Path.Combine(_store.Root, "blobs")), Is.Empty);
            Assert.That(_store.List(), Is.Empty);
        }
    }

    [Test]
    public async Task Add_OfBytesThatAreThere_NeedsNoRoom()
    {
        await AddAsync("one", "these");
        _store = new ModelStore(_store.Root) { FreeBytes = _ => 256L << 20 };
        Assert.That((await AddAsync("two", "these")).Name, Is.EqualTo("two"));
    }

    [Test]
    public async Task Add_CopyThatFails_LeavesNothing()
    {
        await Assert.ThatAsync(() => AddAsync("one", "these", new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Directory.GetFiles(Path.Combine(_store.Root, "blobs")), Is.Empty);
    }

    [TestCase(false), TestCase(true)]
    public async Task CopyOfAKilledProcess_IsRemovedByTheNext(bool pulls)
    {
        string left = _store.BlobPath(new string('a', 64)) + ".new";
        await File.WriteAllTextAsync(left, "half");
        if (pulls)
        {
            _store.RemoveUnfinished();
        }
        else
        {
            await AddAsync("one", "these");
        }

        Assert.That(left, Does.Not.Exist);
    }

    [Test]
    public async Task Add_WhileAnotherProcessChangesTheStore_SaysSo()
    {
        await using FileStream other = new(Path.Combine(_store.Root, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        StorageException refused = (await Assert.ThrowsAsync<StorageException>(() => AddAsync("one", "these")))!;
        Assert.That(refused.Code, Is.EqualTo(StorageErrorCode.InUse));
    }

    private async Task<StoredModel> AddAsync(string name, string content, CancellationToken cancellationToken = default)
    {
        string file = _folder.File("m.gguf");
        await File.WriteAllTextAsync(file, content, cancellationToken);
        string digest = Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(content)));
        ModelFacts facts = Facts with { ModelId = digest, Files = [new ModelFileFact("m.gguf", content.Length, digest)] };
        return await _store.AddAsync(name, file, _folder.Path, facts, move: false, DateTimeOffset.UnixEpoch, cancellationToken);
    }
}
