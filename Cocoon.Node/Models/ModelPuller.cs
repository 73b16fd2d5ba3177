namespace Cocoon.Node.Models;

/// <summary>Brings a model from its source into the store: find, download, let the confined reader judge, keep.</summary>
internal sealed class ModelPuller(HttpClient http, ModelStore store, TimeProvider time)
{
    /// <param name="name">Name to keep it under; <c>null</c> takes the file's.</param>
    /// <param name="sha256">Digest that the caller knows from elsewhere; for sources of one file.</param>
    /// <exception cref="ModelException">At any step; nothing half done is stored.</exception>
    public async Task<StoredModel> PullAsync(
        ModelSource source, string? name, string? sha256, int connections, Action<DownloadProgress> progress, CancellationToken cancellationToken)
    {
        IReadOnlyList<RemoteFile> files = await FindAsync(source, sha256, cancellationToken);
        string chosen = name ?? ModelName.FromFile(files[0].Name);
        string folder = Path.Combine(store.Partial, chosen);
        store.RemoveUnfinished();
        Directory.CreateDirectory(folder);
        try
        {
            await DownloadAsync(files, folder, connections, progress, cancellationToken);
            ModelFacts facts = await JudgeAsync(Path.Combine(folder, files[0].Name), folder, cancellationToken);
            StoredModel model = await store.AddAsync(chosen, Describe(source, files[0]), folder, facts, move: true, time.GetUtcNow(), cancellationToken);
            Directory.Delete(folder, recursive: true);
            return model;
        }
        finally
        {
            // What has arrived is kept for the next try; a try that brought nothing leaves nothing.
            if (Directory.Exists(folder) && !Directory.EnumerateFileSystemEntries(folder).Any())
            {
                Directory.Delete(folder);
            }
        }
    }

    private async Task DownloadAsync(IReadOnlyList<RemoteFile> files, string folder, int connections, Action<DownloadProgress> progress, CancellationToken cancellationToken)
    {
        ModelDownload download = new(http, time);
        foreach (RemoteFile file in files)
        {
            string done = Path.Combine(folder, file.Name);
            // Without a digest nobody can say that what an earlier try left is still what the address gives.
            if (file.Sha256 is { } digest && File.Exists(done) && await ModelStore.HashAsync(done, cancellationToken) == digest)
            {
                continue;
            }

            File.Move(await download.RunAsync(file, folder, connections, progress, cancellationToken), done, overwrite: true);
        }
    }

    private static async Task<ModelFacts> JudgeAsync(string path, string folder, CancellationToken cancellationToken)
    {
        try
        {
            return await ModelInspector.InspectAsync(path, hash: true, cancellationToken);
        }
        catch (ModelException exception) when (exception.Code == ModelErrorCode.Refused)
        {
            Directory.Delete(folder, recursive: true);
            throw;
        }
    }

    private async Task<IReadOnlyList<RemoteFile>> FindAsync(ModelSource source, string? sha256, CancellationToken cancellationToken)
    {
        IReadOnlyList<RemoteFile> files = source switch
        {
            ModelSource.HuggingFace repository => await new HuggingFaceRepository(http).FindAsync(repository, cancellationToken),
            ModelSource.Url url => [new RemoteFile(url.Address, FileName(url.Address), null, null)],
            _ => throw new ModelException(ModelErrorCode.BadSource, "there is nothing to pull"),
        };
        return sha256 switch
        {
            null => files,
            _ when files.Count == 1 => [files[0] with { Sha256 = sha256 }],
            _ => throw new ModelException(ModelErrorCode.BadSource, "one digest cannot stand for several files", $"the model has {files.Count} parts"),
        };
    }

    private static string FileName(Uri address) => Path.GetFileName(Uri.UnescapeDataString(address.AbsolutePath)) is { Length: > 0 and <= 200 } name && name is not ("." or "..") && !name.Any(char.IsControl) ? name : "model.gguf";

    private static string Describe(ModelSource source, RemoteFile first) => source switch
    {
        ModelSource.HuggingFace repository => $"hf:{repository.Repository}@{repository.Revision}:{first.Name}",
        _ => new UriBuilder(first.Address) { Query = "", UserName = "", Password = "" }.Uri.AbsoluteUri,
    };
}
