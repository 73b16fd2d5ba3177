using System.Globalization;
using System.Text;
using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>Values stored for the network, each judged by the validator of its namespace.</summary>
/// <remarks>Thread-safe. Bounded in number, size and time.</remarks>
internal sealed class RecordStore(PeerId local, KadOptions options, TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly DistanceBoundedMap<Entry> _records = new(KadId.Of(local), options.MaxRecords);
    private readonly GroupShares _shares = new(options.MaxRecords);

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _records.Count;
            }
        }
    }

    /// <summary>The validator for <c>/namespace/…</c>; <c>null</c> when nothing may be stored there.</summary>
    public IKadValidator? ValidatorOf(ReadOnlySpan<byte> key)
    {
        if (key.Length < 3 || key[0] != '/' || key[1..].IndexOf((byte)'/') is not (> 0 and <= 64 and var length))
        {
            return null;
        }

        return Ascii.IsValid(key.Slice(1, length)) ? options.Validators.GetValueOrDefault(Encoding.ASCII.GetString(key.Slice(1, length))) : null;
    }

    public bool IsValid(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) =>
        value.Length <= options.MaxValueBytes && ValidatorOf(key) is { } validator && validator.Validate(key, value);

    /// <summary><c>false</c> when the value is invalid, a better one is stored, the store is full of keys nearer to us, or the group has its share of it.</summary>
    /// <param name="group">The address group of who placed it; <c>null</c> for ourselves.</param>
    public bool Put(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, string? group = null)
    {
        if (value.Length > options.MaxValueBytes || ValidatorOf(key) is not { } validator || !validator.Validate(key, value))
        {
            return false;
        }

        KadId id = KadId.Of(key);
        lock (_gate)
        {
            if (_records.TryGet(id, out Entry? stored)
                && !IsExpired(stored)
                && !stored.Record.Value.Span.SequenceEqual(value)
                && !validator.IsBetter(key, value, stored.Record.Value.Span))
            {
                return false;
            }

            if (stored is null && !_shares.TryTake(group))
            {
                return false;
            }

            DateTimeOffset now = time.GetUtcNow();
            string text = now.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
            return _records.TrySet(id, new Entry(new KadRecord(key.ToArray(), value.ToArray(), text), now, stored is null ? group : stored.Group));
        }
    }

    public KadRecord? Get(ReadOnlySpan<byte> key)
    {
        lock (_gate)
        {
            return _records.TryGet(KadId.Of(key), out Entry? entry) && !IsExpired(entry) ? entry.Record : null;
        }
    }

    public void Expire()
    {
        lock (_gate)
        {
            foreach ((KadId key, Entry entry) in _records.Items.ToList())
            {
                if (IsExpired(entry))
                {
                    _records.Remove(key);
                }
            }

            _shares.Recount(_records.Items.Select(record => record.Value.Group));
        }
    }

    private bool IsExpired(Entry entry) => entry.StoredAt + options.RecordTimeToLive <= time.GetUtcNow();

    private sealed record Entry(KadRecord Record, DateTimeOffset StoredAt, string? Group);
}
