using System.Security.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Offers;
using Google.Protobuf;

namespace Cocoon.Node.Routing;

/// <summary>Which provider lately read which prompt of this client: what its enclave still holds is cheaper and quicker to read again there.</summary>
/// <remarks>
/// Only what this client saw itself; prompts of one tenant are never compared with another's, as the enclave's cache does not share them
/// either. An entry is forgotten when the enclave shows other evidence (another boot has an empty cache). Thread-safe and bounded:
/// 256 prompts, 65,536 blocks (16 MiB of prompts in 512 KiB), the oldest go first.
/// </remarks>
internal sealed class WarmPrefixes(TimeProvider time)
{
    private const int MaxEntries = 256, MaxBlocks = 65_536;

    /// <summary>Enclaves keep a prefix until its slot is needed; hosted services say five to ten minutes. Own choice.</summary>
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(10);

    private readonly Lock _lock = new();
    private readonly LinkedList<Entry> _entries = [];
    private int _blocks;

    /// <summary>The share of the prompt, 0 to 1, that each of the providers should still hold; those that hold nothing are left out.</summary>
    public IReadOnlyDictionary<PeerId, double> Find(byte[] tenant, PromptPrefix prompt, IReadOnlyList<VerifiedOffer> offers)
    {
        Dictionary<PeerId, double> shares = [];
        if (prompt.Blocks == 0)
        {
            return shares;
        }

        Dictionary<Holder, double> held = [];
        lock (_lock)
        {
            Expire();
            foreach (Entry entry in _entries.Where(e => e.IsOf(tenant) && prompt.SharedWith(e.Prompt) > 0))
            {
                held[entry.Holder] = Math.Max(held.GetValueOrDefault(entry.Holder), prompt.SharedWith(entry.Prompt));
            }
        }

        foreach (VerifiedOffer offer in held.Count > 0 ? offers : [])
        {
            if (held.TryGetValue(Holder.Of(offer), out double share))
            {
                shares[offer.Peer] = share;
            }
        }

        return shares;
    }

    /// <summary>A provider has read the prompt.</summary>
    /// <returns>The share of it that was expected to be held there.</returns>
    public double Remember(byte[] tenant, PromptPrefix prompt, VerifiedOffer offer, uint promptTokens, uint cachedTokens)
    {
        if (prompt.Blocks == 0)
        {
            return 0;
        }

        lock (_lock)
        {
            Expire();
            Holder holder = Holder.Of(offer);
            double expected = _entries.Where(e => e.Holder == holder && e.IsOf(tenant)).Select(e => prompt.SharedWith(e.Prompt)).DefaultIfEmpty().Max();
            for (LinkedListNode<Entry>? node = _entries.First, next; node is not null; node = next)
            {
                // As in the enclave: what goes on with a prompt takes its slot.
                next = node.Next;
                if (node.Value.Holder == holder && node.Value.IsOf(tenant) && node.Value.Prompt.IsContinuedBy(prompt))
                {
                    Remove(node);
                }
            }

            _entries.AddLast(new Entry(tenant, prompt, holder, new PrefixReading(time.GetUtcNow(), promptTokens, cachedTokens)));
            _blocks += prompt.Blocks;
            while (_entries.Count > MaxEntries || _blocks > MaxBlocks)
            {
                Remove(_entries.First!);
            }

            return expected;
        }
    }

    /// <summary>The last prompt of anybody here that the provider read and should still hold.</summary>
    public PrefixReading? LastOf(VerifiedOffer offer)
    {
        lock (_lock)
        {
            Expire();
            return _entries.LastOrDefault(e => e.Holder == Holder.Of(offer))?.Reading;
        }
    }

    private void Expire()
    {
        DateTimeOffset oldest = time.GetUtcNow() - Lifetime;
        while (_entries.First is { } first && first.Value.Reading.At < oldest)
        {
            Remove(first);
        }
    }

    private void Remove(LinkedListNode<Entry> node)
    {
        _blocks -= node.Value.Prompt.Blocks;
        _entries.Remove(node);
    }

    private sealed record Entry(byte[] Tenant, PromptPrefix Prompt, Holder Holder, PrefixReading Reading)
    {
        public bool IsOf(byte[] tenant) => CryptographicOperations.FixedTimeEquals(Tenant, tenant);
    }

    /// <summary>One boot of one enclave, as its offer names it.</summary>
    private readonly record struct Holder(PeerId Peer, string ModelId, ByteString Evidence)
    {
        public static Holder Of(VerifiedOffer offer) => new(offer.Peer, offer.ModelIdHex, offer.Offer.EvidenceDigest);
    }
}

/// <summary>A prompt that a provider read for us.</summary>
/// <param name="CachedTokens">Of its tokens those that it had read before.</param>
internal sealed record PrefixReading(DateTimeOffset At, uint PromptTokens, uint CachedTokens);
