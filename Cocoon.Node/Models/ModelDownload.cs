using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Cocoon.Node.Models;

/// <summary>Bytes that are there, of how many.</summary>
internal readonly record struct DownloadProgress(string Name, long Done, long Total);

/// <summary>Downloads one file in parallel ranges, resumes what was interrupted, and believes nothing but the digest.</summary>
/// <remarks>
/// Bounds: 8 TiB per file, 16 connections, 30 s without a byte, 6 tries per segment with doubling pauses. A server without ranges is
/// read in one piece.
/// </remarks>
internal sealed class ModelDownload(HttpClient http, TimeProvider time)
{
    public const int MaxConnections = 16;

    private const int SegmentSize = 16 << 20;
    private const int Tries = 6;
    private const long MaxSize = 8L << 40;

    private static readonly TimeSpan Stall = TimeSpan.FromSeconds(30);

    /// <summary>For tests: pauses between tries are multiples of it.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromSeconds(1);

    /// <returns>The path of the complete file; its digest was checked when one is known.</returns>
    /// <exception cref="ModelException">Network, disk space, or other bytes than announced; what is there is kept for another try unless it is wrong.</exception>
    public async Task<string> RunAsync(
        RemoteFile file, string folder, int connections, Action<DownloadProgress> progress, CancellationToken cancellationToken)
    {
        string key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(file.Sha256 ?? file.Address.AbsoluteUri)))[..32];
        string path = Path.Combine(folder, key + ".part"), statePath = Path.Combine(folder, key + ".json");
        Remote remote = await ProbeAsync(file, cancellationToken);
        if (file.Size is { } announced && announced != remote.Size)
        {
            throw new ModelException(ModelErrorCode.DigestMismatch, $"{file.Name} has {remote.Size} bytes", $"{announced} were announced");
        }

        DownloadState state = DownloadState.Load(statePath) is { } kept && File.Exists(path) && kept.Size == remote.Size && kept.SegmentSize == SegmentSize
            && (file.Sha256 is not null || (kept.Validator is not null && kept.Validator == remote.Validator))
            ? kept
            : new DownloadState(file.Address.AbsoluteUri, remote.Validator, remote.Size, SegmentSize, []);
        // What is done, not the file's length: the file has its whole length, and holes, from the first byte on.
        DiskSpace.Require(folder, file.Name, remote.Size - (remote.HasRanges ? state.Done.Sum(i => Length(state, i)) : 0), DiskSpace.FreeAt(folder));
        using (SafeFileHandle target = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, FileOptions.Asynchronous))
        {
            RandomAccess.SetLength(target, remote.Size);
            await FetchAsync(file, remote, state, statePath, target, remote.HasRanges ? Math.Clamp(connections, 1, MaxConnections) : 1, progress, cancellationToken);
            RandomAccess.FlushToDisk(target);
        }

        if (file.Sha256 is { } expected && await ModelStore.HashAsync(path, cancellationToken) is var actual && actual != expected)
        {
            File.Delete(path);
            File.Delete(statePath);
            throw new ModelException(
                ModelErrorCode.DigestMismatch, $"{file.Name} is not the file that was announced", $"its SHA-256 is {actual}, {expected} was announced", "Pull it again; if it happens again, the source is broken.");
        }

        File.Delete(statePath);
        return path;
    }

    private async Task FetchAsync(
        RemoteFile file, Remote remote, DownloadState state, string statePath, SafeFileHandle target, int connections,
        Action<DownloadProgress> progress, CancellationToken cancellationToken)
    {
        HashSet<int> done = [.. remote.HasRanges ? state.Done : []];
        long bytes = done.Sum(i => Length(state, i));
        ConcurrentQueue<int> waiting = new(Enumerable.Range(0, state.Segments).Where(i => !done.Contains(i)));
        Lock gate = new();
        progress(new DownloadProgress(file.Name, bytes, state.Size));
        if (!remote.HasRanges)
        {
            await FetchRangeAsync(file, remote, null, target, 0, state.Size, n => progress(new DownloadProgress(file.Name, bytes += n, state.Size)), cancellationToken);
            return;
        }

        using CancellationTokenSource failed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task[] workers = [.. Enumerable.Range(0, Math.Min(connections, Math.Max(1, waiting.Count))).Select(_ => Task.Run(WorkAsync, CancellationToken.None))];
        await Task.WhenAll(workers);

        async Task WorkAsync()
        {
            try
            {
                while (waiting.TryDequeue(out int segment))
                {
                    long start = (long)segment * SegmentSize;
                    await TrySegmentAsync(file, remote, target, start, Length(state, segment), Count, failed.Token);
                    RandomAccess.FlushToDisk(target);
                    lock (gate)
                    {
                        done.Add(segment);
                        (state with { Done = [.. done.Order()] }).Save(statePath);
                    }
                }
            }
            catch
            {
                await failed.CancelAsync();
                throw;
            }
        }

        void Count(long n)
        {
            lock (gate)
            {
                bytes += n;
                progress(new DownloadProgress(file.Name, bytes, state.Size));
            }
        }
    }

    private async Task TrySegmentAsync(
        RemoteFile file, Remote remote, SafeFileHandle target, long start, long length, Action<long> count, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            long got = 0;
            try
            {
                await FetchRangeAsync(
                    file, remote, new RangeHeaderValue(start, start + length - 1), target, start, length, n =>
                    {
                        got += n;
                        count(n);
                    },
                    cancellationToken);
                return;
            }
            catch (ModelException exception) when (exception.Code == ModelErrorCode.Network && attempt < Tries)
            {
                count(-got);
                await Task.Delay(Pause * Math.Pow(2, attempt - 1), time, cancellationToken);
            }
        }
    }

    private async Task FetchRangeAsync(
        RemoteFile file, Remote remote, RangeHeaderValue? range, SafeFileHandle target, long start, long length, Action<long> count,
        CancellationToken cancellationToken)
    {
        using CancellationTokenSource stalled = new(Stall, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stalled.Token);
        try
        {
            using HttpRequestMessage request = Request(file, range);
            if (range is not null && remote.EntityTag is { IsWeak: false } tag)
            {
                request.Headers.IfRange = new RangeConditionHeaderValue(tag);
            }

            using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, linked.Token);
            if (range is not null && response.StatusCode == HttpStatusCode.OK)
            {
                throw Changed(file);
            }

            response.EnsureSuccessStatusCode();
            if (range is not null && response.Content.Headers.ContentRange?.From != start)
            {
                throw new ModelException(ModelErrorCode.Network, $"the server sent another part of {file.Name} than was asked for");
            }

            // Servers without strong tags do not look at If-Range; a known digest tells a mixture better than dates, which mirrors differ in.
            if (range is not null && (response.Content.Headers.ContentRange!.Length != remote.Size || (file.Sha256 is null && Validator(response) != remote.Validator)))
            {
                throw Changed(file);
            }

            await using Stream body = await response.Content.ReadAsStreamAsync(linked.Token);
            byte[] buffer = new byte[256 << 10];
            long at = 0;
            while (at < length && await ReadAsync(body, buffer.AsMemory(0, (int)Math.Min(buffer.Length, length - at)), linked.Token) is var read and > 0)
            {
                await RandomAccess.WriteAsync(target, buffer.AsMemory(0, read), start + at, linked.Token);
                at += read;
                count(read);
                stalled.CancelAfter(Stall);
            }

            if (at < length)
            {
                throw new ModelException(ModelErrorCode.Network, $"the server sent only a part of {file.Name}");
            }
        }
        catch (Exception exception) when (exception is HttpRequestException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new ModelException(ModelErrorCode.Network, $"{file.Name} could not be downloaded", exception.Message, "What is there is kept: the same command goes on from it.", exception);
        }
    }

    /// <summary>A broken connection is the network's fault; a failed write, which looks the same, is the disk's.</summary>
    private static async ValueTask<int> ReadAsync(Stream body, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await body.ReadAsync(buffer, cancellationToken);
        }
        catch (IOException exception)
        {
            throw new HttpRequestException(HttpRequestError.ResponseEnded, exception.Message, exception);
        }
    }

    private async Task<Remote> ProbeAsync(RemoteFile file, CancellationToken cancellationToken)
    {
        using CancellationTokenSource stalled = new(Stall, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stalled.Token);
        try
        {
            using HttpRequestMessage request = Request(file, new RangeHeaderValue(0, 0));
            using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, linked.Token);
            if (response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
            {
                throw new ModelException(ModelErrorCode.NotFound, $"there is no {file.Name} at {file.Address.Host}, or it is gated", $"HTTP {(int)response.StatusCode}");
            }

            response.EnsureSuccessStatusCode();
            bool ranges = response.StatusCode == HttpStatusCode.PartialContent;
            long? size = ranges ? response.Content.Headers.ContentRange?.Length : response.Content.Headers.ContentLength;
            EntityTagHeaderValue? tag = response.Headers.ETag;
            return size is > 0 and <= MaxSize
                ? new Remote(size.Value, ranges, tag, Validator(response))
                : throw new ModelException(ModelErrorCode.Network, $"the server does not say how long {file.Name} is");
        }
        catch (Exception exception) when (exception is HttpRequestException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new ModelException(ModelErrorCode.Network, $"{file.Address.Host} does not answer", exception.Message, "Check the network and try again.", exception);
        }
    }

    private static HttpRequestMessage Request(RemoteFile file, RangeHeaderValue? range)
    {
        HttpRequestMessage request = new(HttpMethod.Get, file.Address);
        request.Headers.Range = range;
        if (file.Address.Host == HuggingFaceRepository.Endpoint.Host)
        {
            request.Headers.Authorization = HuggingFaceRepository.Authorization;
        }

        return request;
    }

    private static string? Validator(HttpResponseMessage response) => response.Headers.ETag?.Tag ?? response.Content.Headers.LastModified?.ToString("O");

    private static ModelException Changed(RemoteFile file) =>
        new(ModelErrorCode.DigestMismatch, $"{file.Name} changed on the server while it was downloaded", null, "Pull it again.");

    private static long Length(DownloadState state, int segment) => Math.Min(SegmentSize, state.Size - ((long)segment * SegmentSize));

    private sealed record Remote(long Size, bool HasRanges, EntityTagHeaderValue? EntityTag, string? Validator);
}
