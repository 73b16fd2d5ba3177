using System.Collections.Immutable;
using System.Security.Cryptography;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Enclave.Attestation;

/// <summary>
/// The receiving keys, one per suite and epoch: rotated hourly, signed by the attested identity key, the old ones erased after a short
/// overlap.
/// </summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class KeyRing : IRequestKeys, IDisposable
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);
    public static readonly TimeSpan Overlap = TimeSpan.FromMinutes(5);

    // Clients' clocks may be behind; a key record is not secret before its time.
    private static readonly TimeSpan BackDating = TimeSpan.FromMinutes(5);

    private readonly Lock _lock = new();
    private readonly Ed25519PrivateKey _identity;
    private readonly IReadOnlyList<HpkeSuite> _suites;
    private readonly TimeProvider _time;

    // Newest epoch first, within an epoch as the suites are.
    private ImmutableArray<Entry> _entries = [];
    private ulong _epoch;

    /// <param name="suites">Best first; at most half of what clients read, since two epochs overlap.</param>
    public KeyRing(Ed25519PrivateKey identity, IReadOnlyList<HpkeSuite> suites, TimeProvider time)
    {
        ArgumentOutOfRangeException.ThrowIfZero(suites.Count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(suites.Count, WelcomeVerifier.MaxKeys / 2);
        _identity = identity;
        _suites = suites;
        _time = time;
        Rotate();
    }

    public ulong Epoch
    {
        get
        {
            lock (_lock)
            {
                return _epoch;
            }
        }
    }

    /// <summary>Newest first; without what expired.</summary>
    public IReadOnlyList<SignedKeyRecord> Records
    {
        get
        {
            lock (_lock)
            {
                DropExpired();
                return [.. _entries.Select(e => e.Signed)];
            }
        }
    }

    /// <summary>When <see cref="Rotate"/> is due.</summary>
    public DateTimeOffset RotateAt { get; private set; }

    /// <summary>Whether a newest key remembers so many requests that it should be replaced before its time.</summary>
    public bool IsExhausted
    {
        get
        {
            lock (_lock)
            {
                return Newest.Any(e => e.Key.Replays.IsHalfFull);
            }
        }
    }

    /// <summary>The newest keys as the evidence names them.</summary>
    public ImmutableArray<BoundKey> Bound
    {
        get
        {
            lock (_lock)
            {
                return
                [
                    .. Newest.Select(e => e.Record).Select(record => new BoundKey(
                        [.. record.KeyId.Span],
                        (ushort)record.Kem,
                        [.. record.PublicKey.Span],
                        [new HpkeSuiteIds((ushort)record.Kdf, (ushort)record.Aead)],
                        record.NotAfterMs)),
                ];
            }
        }
    }

    private IEnumerable<Entry> Newest => _entries.Take(_suites.Count);

    public void Rotate()
    {
        lock (_lock)
        {
            DateTimeOffset now = _time.GetUtcNow();
            _epoch++;
            RotateAt = now + Lifetime;

            // Two epochs at most: rotation before its time must not pile up keys.
            foreach (Entry old in _entries.Skip(_suites.Count))
            {
                old.Key.Key.Dispose();
            }

            _entries = [.. _suites.Select(suite => Make(suite, now)), .. Newest];
            DropExpired();
        }
    }

    public RequestKey? Find(ReadOnlySpan<byte> keyId)
    {
        lock (_lock)
        {
            DropExpired();
            foreach (Entry entry in _entries)
            {
                if (entry.Record.KeyId.Span.SequenceEqual(keyId))
                {
                    return entry.Key;
                }
            }

            return null;
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            foreach (Entry entry in _entries)
            {
                entry.Key.Key.Dispose();
            }
        }
    }

    private Entry Make(HpkeSuite suite, DateTimeOffset now)
    {
        IKemPrivateKey key = suite.Kem.Generate();
        KeyRecord record = new()
        {
            KeyId = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(RequestEnvelope.KeyIdSize)),
            Kem = suite.Kem.Id,
            PublicKey = ByteString.CopyFrom(key.PublicKey),
            Kdf = suite.KdfId,
            Aead = suite.AeadId,
            NotBeforeMs = (ulong)(now - BackDating).ToUnixTimeMilliseconds(),
            NotAfterMs = (ulong)(now + Lifetime + Overlap).ToUnixTimeMilliseconds(),
            Epoch = _epoch,
        };
        return new Entry(record, SignedRecords.SignKey(_identity, record), new RequestKey(key, suite, new ReplaySet()));
    }

    // The newest keys always stay: the host asks for rotation, and a late one must not leave the enclave without any.
    private void DropExpired()
    {
        ulong now = (ulong)_time.GetUtcNow().ToUnixTimeMilliseconds();
        foreach (Entry old in _entries.Skip(_suites.Count).Where(e => e.Record.NotAfterMs <= now))
        {
            old.Key.Key.Dispose();
            _entries = _entries.Remove(old);
        }
    }

    private sealed record Entry(KeyRecord Record, SignedKeyRecord Signed, RequestKey Key);
}
