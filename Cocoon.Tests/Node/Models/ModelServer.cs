using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Cocoon.Tests.Node.Models;

/// <summary>A server of model files on loopback with Hugging Face's listing, ranges, and faults on demand.</summary>
internal sealed class ModelServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, byte[]> _files = new();
    private int _requests;

    private ModelServer(WebApplication app) => _app = app;

    public Uri Url { get; private set; } = null!;

    /// <summary>Range requests answered with content.</summary>
    public ConcurrentBag<long> Starts { get; } = [];

    public bool HasRanges { get; set; } = true;

    public string EntityTag { get; set; } = "\"one\"";

    /// <summary>Told instead of a tag, and without any look at conditions; counts up with each answer that has content while <see cref="Changes"/>.</summary>
    public DateTimeOffset? LastModified { get; set; }

    /// <summary>Each range is of a newer file than the one before.</summary>
    public bool Changes { get; set; }

    /// <summary>Length that ranges are said to be of; <c>null</c>: the true one.</summary>
    public long? ClaimedLength { get; set; }

    /// <summary>The first so many range requests are cut off in the middle.</summary>
    public int CutFirst { get; set; }

    /// <summary>Digests that the listing announces, where they are not the files' own.</summary>
    public ConcurrentDictionary<string, string> WrongDigests { get; } = new();

    public static async Task<ModelServer> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        WebApplication app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        ModelServer server = new(app);
        app.MapGet("/api/models/{owner}/{name}/tree/{revision}", (string owner, string name) =>
            owner == "nobody" ? Results.NotFound() : Results.Text(server.Listing().ToJsonString(), "application/json"));
        app.MapGet("/{owner}/{name}/resolve/{revision}/{file}", (HttpContext context, string file) => server.SendAsync(context, file));
        app.MapGet("/files/{file}", (HttpContext context, string file) => server.SendAsync(context, file));
        await app.StartAsync();
        server.Url = new Uri(app.Urls.First());
        return server;
    }

    public void Add(string name, byte[] content) => _files[name] = content;

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private JsonArray Listing() =>
    [
        new JsonObject { ["type"] = "file", ["path"] = "README.md", ["size"] = 3 },
        .. _files.Select(f => new JsonObject
        {
            ["type"] = "file", ["path"] = f.Key, ["size"] = f.Value.Length,
            ["lfs"] = new JsonObject { ["oid"] = WrongDigests.GetValueOrDefault(f.Key) ?? Convert.ToHexStringLower(SHA256.HashData(f.Value)), ["size"] = f.Value.Length },
        }),
    ];

    private async Task SendAsync(HttpContext context, string file)
    {
        if (!_files.TryGetValue(file, out byte[]? content))
        {
            context.Response.StatusCode = (int)HttpStatusCode.NotFound;
            return;
        }

        string? range = context.Request.Headers.Range;
        string? onlyIf = context.Request.Headers.IfRange;
        if (LastModified is { } modified)
        {
            context.Response.Headers.LastModified = modified.ToString("R", CultureInfo.InvariantCulture);
            LastModified = Changes && range != "bytes=0-0" ? modified.AddHours(1) : modified;
            onlyIf = null;
        }
        else
        {
            context.Response.Headers.ETag = EntityTag;
        }

        if (!HasRanges || range is null || (onlyIf is not null && onlyIf != EntityTag))
        {
            context.Response.ContentLength = content.Length;
            await context.Response.Body.WriteAsync(content);
            return;
        }

        string[] ends = range["bytes=".Length..].Split('-');
        long from = long.Parse(ends[0], CultureInfo.InvariantCulture), to = Math.Min(long.Parse(ends[1], CultureInfo.InvariantCulture), content.Length - 1);
        context.Response.StatusCode = (int)HttpStatusCode.PartialContent;
        context.Response.Headers.ContentRange = $"bytes {from}-{to}/{ClaimedLength ?? content.Length}";
        context.Response.ContentLength = to - from + 1;
        if (to > 0)
        {
            Starts.Add(from);
            if (Interlocked.Increment(ref _requests) <= CutFirst)
            {
                await context.Response.Body.WriteAsync(content.AsMemory((int)from, (int)(to - from + 1) / 2));
                await context.Response.Body.FlushAsync();
                context.Abort();
                return;
            }
        }

        await context.Response.Body.WriteAsync(content.AsMemory((int)from, (int)(to - from + 1)));
    }
}
