using System.Security.Cryptography;
using System.Text.Json;
using Cocoon.Node.Storage;

namespace Cocoon.Node.Models;

/// <summary>Model files by content, and names for them.</summary>
/// <remarks>
/// <code>
/// blobs/sha256-&lt;hex&gt;      the bytes, once, whatever names use them
/// models/&lt;name&gt;.json      what the name stands for; its presence is what makes a model stored
/// models/&lt;name&gt;/&lt;file&gt;    links with the files' own names, which split models are found by
/// partial/              downloads that are not complete
/// </code>
/// A name appears after its bytes are checked and on the disk, and goes before them. One process changes the store at a time.
/// </remarks>
internal sealed class ModelStore
{
    private const long MaxManifest = 1 << 20;

    /// <summary>Of a copy on its way in.</summary>
    private const string Unfinished = ".new";

    private readonly string _root;

    public ModelStore(string? root = null)
    {
        _root = Path.GetFullPath(root ?? DefaultRoot);
        Directory.CreateDirectory(Path.Combine(_root, "blobs"));
        Directory.CreateDirectory(Path.Combine(_root, "models"));
        Directory.CreateDirectory(Partial);
    }

    /// <summary><c>$COCOON_MODELS</c>, else <c>~/.cocoon/models</c>.</summary>
    public static string DefaultRoot => Environment.GetEnvironmentVariable("COCOON_MODELS") is { Length: > 0 } configured
        ? configured
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cocoon", "models");

    public string Root => _root;

    /// <summary>Bytes free where a folder lies.</summary>
    internal Func<string, long> FreeBytes { get; init; } = DiskSpace.FreeAt;

    public string Partial => Path.Combine(_root, "partial");

    public IReadOnlyList<StoredModel> List() =>
        [.. Directory.GetFiles(Path.Combine(_root, "models"), "*.json").Order(StringComparer.Ordinal).Select(Read).OfType<StoredModel>()];

    public StoredModel? Find(string name) => ModelName.IsValid(name) && File.Exists(ManifestPath(name)) ? Read(ManifestPath(name)) : null;

    /// <summary>The file to serve: the first, when the model is split.</summary>
    public string PathOf(StoredModel model) => Path.Combine(_root, "models", model.Name, model.Files[0].Name);

    /// <summary>The stored model that <see cref="PathOf"/> gives this path for; <c>null</c> for other files.</summary>
    public StoredModel? FindAt(string path) => List().FirstOrDefault(m => PathOf(m) == path);

    /// <summary>Where the content of one file lies.</summary>
    public string BlobPath(string sha256) => Path.Combine(_root, "blobs", "sha256-" + sha256);

    /// <summary>Takes files into the store under a name. They were inspected with their digests.</summary>
    /// <param name="folder">Where the files lie now.</param>
    /// <param name="move">Take them away from there instead of copying.</param>
    /// <exception cref="ModelException">The name stands for other files, or there is no room for a copy.</exception>
    public async Task<StoredModel> AddAsync(
        string name, string source, string folder, ModelFacts facts, bool move, DateTimeOffset now, CancellationToken cancellationToken)
    {
        using IDisposable held = Lock();
        if (Find(name) is { } known && known.ModelId != facts.ModelId)
        {
            throw new ModelException(
                ModelErrorCode.NameTaken, $"'{name}' is another model", $"it has the id {known.ModelId[..16]}…", $"Choose another with --name, or remove it: cocoon models rm {name}");
        }

        StoredModel model = new(name, source, now, facts.ModelId!, facts.Files!, facts with { Files = null });
        DeleteUnfinished();
        if (!move)
        {
            DiskSpace.Require(_root, name, model.Files.Where(f => !File.Exists(BlobPath(f.Sha256))).Sum(f => f.Size), FreeBytes(_root));
        }

        string links = Path.Combine(_root, "models", name);
        Directory.CreateDirectory(links);
        foreach (ModelFileFact file in model.Files)
        {
            await TakeAsync(Path.Combine(folder, file.Name), file.Sha256, move, cancellationToken);
            string link = Path.Combine(links, file.Name);
            File.Delete(link);
            File.CreateSymbolicLink(link, Path.Combine("..", "..", "blobs", "sha256-" + file.Sha256));
        }

        PrivateFile.Write(ManifestPath(name), JsonSerializer.SerializeToUtf8Bytes(model, ModelJson.Options));
        return model;
    }

    /// <summary>Removes copies that a killed process left half done.</summary>
    /// <exception cref="StorageException">Another process changes the store.</exception>
    public void RemoveUnfinished()
    {
        using IDisposable held = Lock();
        DeleteUnfinished();
    }

    /// <summary>Forgets a name, and the bytes that no other name uses.</summary>
    /// <returns>Bytes given back.</returns>
    public long Remove(StoredModel model)
    {
        using IDisposable held = Lock();
        File.Delete(ManifestPath(model.Name));
        string links = Path.Combine(_root, "models", model.Name);
        if (Directory.Exists(links))
        {
            Directory.Delete(links, recursive: true);
        }

        HashSet<string> used = [.. List().SelectMany(m => m.Files).Select(f => f.Sha256)];
        long freed = 0;
        foreach (ModelFileFact file in model.Files.Where(f => !used.Contains(f.Sha256)))
        {
            File.Delete(BlobPath(file.Sha256));
            freed += file.Size;
        }

        return freed;
    }

    /// <summary>Files whose bytes are not what their name says, or are gone.</summary>
    public async Task<IReadOnlyList<ModelFileFact>> FindDamageAsync(StoredModel model, CancellationToken cancellationToken)
    {
        List<ModelFileFact> damaged = [];
        foreach (ModelFileFact file in model.Files)
        {
            string path = BlobPath(file.Sha256);
            if (!File.Exists(path) || await HashAsync(path, cancellationToken) != file.Sha256)
            {
                damaged.Add(file);
            }
        }

        return damaged;
    }

    internal static async Task<string> HashAsync(string path, CancellationToken cancellationToken)
    {
        await using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 20, FileOptions.SequentialScan | FileOptions.Asynchronous);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellationToken));
    }

    /// <remarks>Bytes that are there already are looked at: a damaged file is mended by adding or pulling a good one.</remarks>
    private async Task TakeAsync(string from, string sha256, bool move, CancellationToken cancellationToken)
    {
        string blob = BlobPath(sha256);
        if (File.Exists(blob) && await HashAsync(blob, cancellationToken) == sha256)
        {
            if (move)
            {
                File.Delete(from);
            }

            return;
        }

        if (move)
        {
            File.Move(from, blob, overwrite: true);
            return;
        }

        string temporary = blob + Unfinished;
        try
        {
            await using (FileStream source = new(from, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 20, FileOptions.SequentialScan | FileOptions.Asynchronous))
            await using (FileStream target = new(temporary, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20, FileOptions.Asynchronous))
            {
                await source.CopyToAsync(target, cancellationToken);
                target.Flush(flushToDisk: true);
            }

            File.Move(temporary, blob, overwrite: true);
        }
        catch
        {
            // On a full disk it is the very space that is missing.
            File.Delete(temporary);
            throw;
        }
    }

    /// <remarks>Needs the lock: else it is another process's copy.</remarks>
    private void DeleteUnfinished()
    {
        foreach (string left in Directory.GetFiles(Path.Combine(_root, "blobs"), "*" + Unfinished))
        {
            File.Delete(left);
        }
    }

    private static StoredModel? Read(string path)
    {
        try
        {
            return new FileInfo(path).Length > MaxManifest ? null : JsonSerializer.Deserialize<StoredModel>(File.ReadAllBytes(path), ModelJson.Options) is { } model
                && ModelName.IsValid(model.Name) && model.Files is { Count: > 0 } && model.Files.All(f => IsPlain(f.Name) && f.Sha256.Length == 64)
                ? model
                : null;
        }
        catch (JsonException)
        {
            // Not one of ours: shown by nobody, removed by nobody.
            return null;
        }
    }

    private static bool IsPlain(string fileName) => fileName.Length > 0 && fileName == Path.GetFileName(fileName) && fileName is not ("." or "..");

    private string ManifestPath(string name) => Path.Combine(_root, "models", name + ".json");

    private FileStream Lock()
    {
        try
        {
            return new FileStream(Path.Combine(_root, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException exception) when (DiskFault.IsHeld(exception))
        {
            throw new StorageException(StorageErrorCode.InUse, $"the model store {_root} is in use by another process");
        }
        catch (IOException exception)
        {
            throw new StorageException(StorageErrorCode.WriteFailed, $"the model store {_root} cannot be written: {DiskFault.WordsOf(exception) ?? exception.Message}", exception);
        }
    }
}
