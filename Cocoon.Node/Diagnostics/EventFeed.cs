using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Cocoon.Node.Diagnostics;

/// <summary>The tape of what happens in this node, for whoever watches: the last events, then new ones as they come.</summary>
/// <remarks>Thread-safe and bounded. A watcher that is too slow loses the oldest and is told how many. No prompt and no completion ever enters.</remarks>
internal sealed class EventFeed(TimeProvider time)
{
    public const int MaxKept = 1024;
    public const int MaxWatchers = 64;

    private const int WatcherCapacity = 1024;

    private readonly Lock _lock = new();
    private readonly Queue<JsonObject> _kept = new();
    private readonly List<Watcher> _watchers = [];
    private long _sequence;

    /// <param name="type">A word of a closed set, as <c>cocoon events --help</c> lists them.</param>
    /// <param name="fields">Becomes the feed's.</param>
    public void Publish(string type, string? peer, params (string Name, JsonNode? Value)[] fields)
    {
        lock (_lock)
        {
            JsonObject item = new()
            {
                ["sequence"] = ++_sequence,
                ["at"] = time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture),
                ["type"] = type,
                ["peer"] = peer,
            };
            foreach ((string name, JsonNode? value) in fields)
            {
                item[name] = value;
            }

            _kept.Enqueue(item);
            if (_kept.Count > MaxKept)
            {
                _kept.Dequeue();
            }

            _watchers.ForEach(w => w.Offer(item));
        }
    }

    /// <summary>Whether anybody watches; costly events need not be made otherwise.</summary>
    public bool IsWatched
    {
        get
        {
            lock (_lock)
            {
                return _watchers.Count > 0;
            }
        }
    }

    /// <summary>Up to <paramref name="last"/> kept events, then new ones without end. The items are shared: read only.</summary>
    /// <param name="isWanted">
    /// What the watcher sees at all; called under the feed's lock. What it does not want takes no place from what it does, and does not wake it.
    /// </param>
    /// <exception cref="InvalidOperationException">Too many watchers.</exception>
    public async IAsyncEnumerable<JsonObject> WatchAsync(int last, Func<JsonObject, bool> isWanted, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Watcher watcher = new(isWanted);
        JsonObject[] kept;
        lock (_lock)
        {
            if (_watchers.Count >= MaxWatchers)
            {
                throw new InvalidOperationException("Too many watch this node's events.");
            }

            kept = [.. _kept.Where(isWanted).TakeLast(Math.Max(0, last))];
            _watchers.Add(watcher);
        }

        try
        {
            foreach (JsonObject item in kept)
            {
                yield return item;
            }

            await foreach (JsonObject item in watcher.Items.ReadAllAsync(cancellationToken))
            {
                if (watcher.TakeLost() is > 0 and var lost)
                {
                    yield return new JsonObject { ["type"] = "events_lost", ["count"] = lost };
                }

                yield return item;
            }
        }
        finally
        {
            lock (_lock)
            {
                _watchers.Remove(watcher);
            }
        }
    }

    private sealed class Watcher
    {
        private readonly Func<JsonObject, bool> _isWanted;
        private readonly Channel<JsonObject> _items;
        private int _lost;

        public Watcher(Func<JsonObject, bool> isWanted)
        {
            _isWanted = isWanted;
            _items = Channel.CreateBounded<JsonObject>(
                new BoundedChannelOptions(WatcherCapacity) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true }, _ => Interlocked.Increment(ref _lost));
        }

        public ChannelReader<JsonObject> Items => _items.Reader;

        public void Offer(JsonObject item)
        {
            if (_isWanted(item))
            {
                _items.Writer.TryWrite(item);
            }
        }

        public int TakeLost() => Interlocked.Exchange(ref _lost, 0);
    }
}
