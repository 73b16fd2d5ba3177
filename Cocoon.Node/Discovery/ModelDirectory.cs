using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Google.Protobuf;
using Directory = Cocoon.Protocol.Offers.Proto.Directory;

namespace Cocoon.Node.Discovery;

/// <summary>Which models exist, by name: what a newcomer learns from the directory topic before it follows any offer.</summary>
/// <remarks>Bounded; one entry list per provider. A hint only: names are not unique, ids are.</remarks>
internal sealed class ModelDirectory(TimeProvider time)
{
    private const int MaxProviders = 4096;
    private const int MaxModelsPerProvider = 64;
    private const int MaxBytes = 16 << 10;

    private static readonly TimeSpan MaxLife = TimeSpan.FromMinutes(5);

    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, Directory> _directories = [];
    private ulong _firstExpiry = ulong.MaxValue;

    /// <summary>Raised when a provider's list is new or changed. Handlers return quickly.</summary>
    public event Action? Changed;

    /// <summary>Verifies the inner signature of what is stored; the simulator puts its memory of earlier results in front.</summary>
    internal Func<SignedDirectory, PeerId, bool> Verify { get; init; } = IsSignedBy;

    /// <summary>For forwarding: everything but the inner signature, since the message carries its publisher's anyway.</summary>
    public ValidationResult Judge(ReadOnlyMemory<byte> signed, PeerId from)
    {
        if (!TryParse(signed, from, out Directory? directory, out _))
        {
            return ValidationResult.Reject;
        }

        ulong now = (ulong)time.GetUtcNow().ToUnixTimeMilliseconds();
        return !IsOutdated(from, directory!.Sequence) && directory.ExpiresAtMs > now && directory.IssuedAtMs < now + (ulong)OfferLimits.ClockSkew.TotalMilliseconds
            ? ValidationResult.Accept
            : ValidationResult.Ignore;
    }

    /// <summary>It lives longer than gossip remembers a message: without this somebody could send it around again and again.</summary>
    private bool IsOutdated(PeerId from, ulong sequence)
    {
        lock (_lock)
        {
            return _directories.TryGetValue(from, out Directory? known) && known.Sequence >= sequence;
        }
    }

    public void Add(ReadOnlyMemory<byte> signed, PeerId from)
    {
        if (!TryParse(signed, from, out Directory? directory, out SignedDirectory? envelope) || !Verify(envelope!, from))
        {
            return;
        }

        bool news = false;
        lock (_lock)
        {
            Expire();
            bool known = _directories.TryGetValue(from, out Directory? before);
            if ((known && before!.Sequence < directory!.Sequence) || (!known && _directories.Count < MaxProviders))
            {
                news = !known || !before!.Models.Equals(directory!.Models);
                _directories[from] = directory!;
                _firstExpiry = Math.Min(_firstExpiry, directory!.ExpiresAtMs);
            }
        }

        if (news)
        {
            Changed?.Invoke();
        }
    }

    /// <summary>Ids of known models, those with most providers first.</summary>
    public IReadOnlyList<byte[]> Popular(int limit)
    {
        lock (_lock)
        {
            Expire();
            return
            [
                .. _directories.Values.SelectMany(d => d.Models).GroupBy(m => Convert.ToHexStringLower(m.ModelId.Span))
                    .OrderByDescending(g => g.Count()).Take(limit).Select(g => Convert.FromHexString(g.Key)),
            ];
        }
    }

    /// <summary>Ids of models with this name (or this id in hexadecimal).</summary>
    public IReadOnlyList<byte[]> Find(string model)
    {
        lock (_lock)
        {
            Expire();
            return
            [
                .. _directories.Values.SelectMany(d => d.Models)
                    .Where(m => m.ModelName == model || Convert.ToHexStringLower(m.ModelId.Span) == model)
                    .Select(m => Convert.ToHexStringLower(m.ModelId.Span)).Distinct().Select(Convert.FromHexString),
            ];
        }
    }

    /// <summary>Providers that announced the model since a moment, by their clocks.</summary>
    public int CountSince(ReadOnlySpan<byte> modelId, DateTimeOffset since)
    {
        ulong from = (ulong)since.ToUnixTimeMilliseconds();
        int count = 0;
        lock (_lock)
        {
            foreach (Directory directory in _directories.Values)
            {
                if (directory.IssuedAtMs >= from)
                {
                    foreach (Directory.Types.Entry entry in directory.Models)
                    {
                        count += entry.ModelId.Span.SequenceEqual(modelId) ? 1 : 0;
                    }
                }
            }
        }

        return count;
    }

    public static Directory.Types.Entry EntryOf(Offer offer) => new()
    {
        ModelName = offer.ModelName,
        ModelId = offer.ModelId,
        Tier = offer.Tier,
        Prices = offer.Prices,
    };

    public static byte[] Sign(IEnumerable<Offer> offers, PeerId peer, Ed25519PrivateKey key, DateTimeOffset now)
    {
        Directory directory = new()
        {
            PeerId = ByteString.CopyFrom(peer.Bytes),
            Sequence = (ulong)now.ToUnixTimeMilliseconds(),
            IssuedAtMs = (ulong)now.ToUnixTimeMilliseconds(),
            ExpiresAtMs = (ulong)(now + MaxLife).ToUnixTimeMilliseconds(),
        };
        directory.Models.AddRange(offers.Select(EntryOf));
        byte[] inner = directory.ToByteArray();
        return new SignedDirectory
        {
            Directory = UnsafeByteOperations.UnsafeWrap(inner),
            Signature = UnsafeByteOperations.UnsafeWrap(SignedMessage.Sign(SignedMessage.DirectoryDomain, inner, key)),
        }.ToByteArray();
    }

    private static bool IsSignedBy(SignedDirectory signed, PeerId from) =>
        from.TryGetPublicKey(out Ed25519PublicKey? key)
        && SignedMessage.Verify(SignedMessage.DirectoryDomain, signed.Directory.Span, signed.Signature.Span, key);

    private static bool TryParse(ReadOnlyMemory<byte> signed, PeerId from, out Directory? directory, out SignedDirectory? envelope)
    {
        directory = null;
        envelope = null;
        if (signed.Length > MaxBytes)
        {
            return false;
        }

        try
        {
            envelope = SignedDirectory.Parser.ParseBounded(signed.Span);
            Directory parsed = Directory.Parser.ParseBounded(envelope.Directory.Span);
            bool valid = parsed.PeerId.Span.SequenceEqual(from.Bytes)
                && parsed.Models.Count is > 0 and <= MaxModelsPerProvider
                && parsed.Models.All(m => m.ModelId.Length == 32 && m.ModelName.Length is > 0 and <= OfferLimits.MaxText)
                && parsed.ExpiresAtMs > parsed.IssuedAtMs
                && parsed.ExpiresAtMs - parsed.IssuedAtMs <= (ulong)MaxLife.TotalMilliseconds;
            directory = valid ? parsed : null;
            return valid;
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            return false;
        }
    }

    private void Expire()
    {
        ulong now = (ulong)time.GetUtcNow().ToUnixTimeMilliseconds();
        if (now < _firstExpiry)
        {
            return;
        }

        foreach (PeerId peer in _directories.Where(d => d.Value.ExpiresAtMs <= now).Select(d => d.Key).ToArray())
        {
            _directories.Remove(peer);
        }

        _firstExpiry = _directories.Count == 0 ? ulong.MaxValue : _directories.Values.Min(directory => directory.ExpiresAtMs);
    }
}
