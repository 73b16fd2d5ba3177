using System.Text.Json.Nodes;
using Cocoon.Node.Diagnostics;
using Cocoon.Node.EventStreams;

namespace Cocoon.Node.Control;

/// <summary><c>/control/events</c>: the tape as server-sent events, with a <c>heartbeat</c> while nothing happens so that a dead node shows.</summary>
internal static class EventEndpoints
{
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(10);

    public static void MapEvents(this WebApplication app) => app.MapGet("/control/events", StreamAsync);

    private static async Task StreamAsync(
        HttpContext context, EventFeed feed, IHostApplicationLifetime lifetime, TimeProvider time, int? last, string? types)
    {
        string[]? wanted = types?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
        ServerSentEvents.Start(context.Response);
        using ServerSentEvents events = new(context.Response.BodyWriter, time);
        await using PendingItems<JsonObject> items = new(leaving => feed.WatchAsync(last ?? 0, item => IsWanted(item, wanted), leaving), ending.Token);

        // Before the answer begins: whoever has seen it begin misses nothing from there on.
        items.Begin();
        try
        {
            await context.Response.StartAsync(ending.Token);
            Write(events, new JsonObject { ["type"] = "heartbeat" });
            await events.FlushAsync(ending.Token);
            while (await items.MoveNextAsync(Heartbeat, time, ending.Token) is var more && more != false)
            {
                Write(events, more is null ? new JsonObject { ["type"] = "heartbeat" } : items.Current);
                await events.FlushAsync(ending.Token);
            }
        }
        catch (Exception exception) when (exception is IOException || (exception is OperationCanceledException && ending.IsCancellationRequested))
        {
            // The watcher or the node is leaving.
        }
    }

    private static bool IsWanted(JsonObject item, string[]? wanted) =>
        (wanted is null && (string?)item["type"] != "gossip") || (wanted?.Contains((string?)item["type"]) ?? false);

    private static void Write(ServerSentEvents events, JsonObject item) => events.Write(json => item.WriteTo(json, ControlJson.Options));
}
