using System.Text.Json.Nodes;

namespace Cocoon.Node.OpenAi.Responses;

/// <summary>Responses that can be referred to later: in memory only, gone when the client stops.</summary>
/// <remarks>Thread-safe. A caller sees its own only; when there are too many or they hold too much text, the oldest go of the caller whose responses hold most.</remarks>
internal sealed class ResponseStore
{
    public const int MaxResponses = 256;
    public const long MaxBytes = 32 << 20;

    private readonly Lock _lock = new();
    private readonly LinkedList<Entry> _entries = [];
    private long _bytes;

    /// <param name="messages">The conversation with its answer, as chat messages.</param>
    public void Add(string caller, string id, JsonArray messages, byte[] response)
    {
        // UTF-16 in memory; a conversation is kept whole with each of its responses.
        string text = messages.ToJsonString();
        Entry entry = new(caller, id, text, response, (text.Length * 2L) + response.Length);
        lock (_lock)
        {
            _entries.AddLast(entry);
            _bytes += entry.Size;
            while (_entries.Count > MaxResponses || (_bytes > MaxBytes && _entries.Count > 0))
            {
                Remove(OldestOfTheLargest());
            }
        }
    }

    public JsonArray? Messages(string caller, string id) => Find(caller, id) is { } entry ? JsonNode.Parse(entry.Messages)!.AsArray() : null;

    /// <summary>The response object as it was sent, UTF-8 JSON.</summary>
    public byte[]? Response(string caller, string id) => Find(caller, id)?.Response;

    public bool Delete(string caller, string id)
    {
        lock (_lock)
        {
            for (LinkedListNode<Entry>? node = _entries.Last; node is not null; node = node.Previous)
            {
                if (node.Value.Id == id && node.Value.Caller == caller)
                {
                    Remove(node);
                    return true;
                }
            }

            return false;
        }
    }

    private Entry? Find(string caller, string id)
    {
        lock (_lock)
        {
            return _entries.LastOrDefault(e => e.Id == id && e.Caller == caller);
        }
    }

    /// <summary>Nobody's responses go because of another's.</summary>
    private LinkedListNode<Entry> OldestOfTheLargest()
    {
        string caller = _entries.GroupBy(e => e.Caller, StringComparer.Ordinal).MaxBy(g => (g.Sum(e => e.Size) * MaxResponses / MaxBytes) + g.Count())!.Key;
        LinkedListNode<Entry> node = _entries.First!;
        while (node.Value.Caller != caller)
        {
            node = node.Next!;
        }

        return node;
    }

    private void Remove(LinkedListNode<Entry> node)
    {
        _bytes -= node.Value.Size;
        _entries.Remove(node);
    }

    private sealed record Entry(string Caller, string Id, string Messages, byte[] Response, long Size);
}
