using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Cocoon.Protocol.Inference;
using Microsoft.Win32.SafeHandles;

namespace Cocoon.Enclave.Models;

/// <summary>A model on disk: all its files, its checked head and its manifest.</summary>
internal sealed class ModelFiles
{
    private const int ReadLength = 1 << 18;

    private ModelFiles(ImmutableArray<string> paths, GgufHead head, ModelManifest manifest, string? template)
    {
        Paths = paths;
        Head = head;
        Manifest = manifest;
        Template = template;
    }

    /// <summary>In split order; one for an unsplit model.</summary>
    public ImmutableArray<string> Paths { get; }

    public GgufHead Head { get; }

    public ModelManifest Manifest { get; }

    /// <summary>The chat template the manifest counts: the override, else the file's own.</summary>
    public string? Template { get; }

    /// <summary>Checks the head of every file, hashes all of them and builds the manifest.</summary>
    /// <exception cref="GgufException">A file that must not be loaded, or an incomplete split.</exception>
    public static async Task<ModelFiles> OpenAsync(string path, string? templateOverride, CancellationToken cancellationToken)
    {
        GgufHead head = GgufHead.ReadFile(path);
        head.RequireLoadable();
        ImmutableArray<string> paths = SplitPaths(path, head);
        ImmutableArray<ModelFile>.Builder files = ImmutableArray.CreateBuilder<ModelFile>(paths.Length);
        foreach (string part in paths)
        {
            if (part != path)
            {
                GgufHead.ReadFile(part);
            }

            using SafeFileHandle file = File.OpenHandle(part, options: FileOptions.SequentialScan | FileOptions.Asynchronous);
            long size = RandomAccess.GetLength(file);
            files.Add(new ModelFile((ulong)size, [.. await HashAsync(file, size, cancellationToken)]));
        }

        string? template = templateOverride ?? head.ChatTemplate;
        byte[] templateDigest = SHA256.HashData(Encoding.UTF8.GetBytes(template ?? ""));
        using SafeFileHandle first = File.OpenHandle(path, options: FileOptions.Asynchronous);
        byte[] metadataDigest = await HashAsync(first, head.MetadataLength, cancellationToken);
        ModelManifest manifest = new(files.MoveToImmutable(), (ulong)head.MetadataLength, [.. metadataDigest], [.. templateDigest]);
        return new ModelFiles(paths, head, manifest, template);
    }

    /// <summary>SHA-256 of a file's first bytes.</summary>
    private static async Task<byte[]> HashAsync(SafeFileHandle file, long length, CancellationToken cancellationToken)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[Math.Min(length, ReadLength)];
        for (long at = 0; at < length;)
        {
            int read = await RandomAccess.ReadAsync(file, buffer.AsMemory(0, (int)Math.Min(buffer.Length, length - at)), at, cancellationToken);
            if (read == 0)
            {
                throw new EndOfStreamException("a file of the model became shorter while it was read");
            }

            hash.AppendData(buffer, 0, read);
            at += read;
        }

        return hash.GetHashAndReset();
    }

    private static ImmutableArray<string> SplitPaths(string path, GgufHead head)
    {
        if (head.Integer("split.count") is not (> 1 and <= ModelManifest.MaxFiles and var count))
        {
            return [path];
        }

        string first = $"-00001-of-{count:00000}.gguf";
        if (!path.EndsWith(first, StringComparison.Ordinal) || path.Length == first.Length || head.Integer("split.no") != 0)
        {
            throw new GgufException(GgufErrorCode.SplitIncomplete, $"it is one of {count} parts: name the first, …-00001-of-{count:00000}.gguf");
        }

        string stem = path[..^first.Length];
        ImmutableArray<string> paths = [.. Enumerable.Range(1, (int)count).Select(i => $"{stem}-{i:00000}-of-{count:00000}.gguf")];
        return paths.FirstOrDefault(p => !File.Exists(p)) is { } missing
            ? throw new GgufException(GgufErrorCode.SplitIncomplete, $"{Path.GetFileName(missing)}, another part of the model, is not beside it")
            : paths;
    }
}
