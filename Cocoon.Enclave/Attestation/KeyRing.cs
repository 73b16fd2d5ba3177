using System.Collections.Immutable;
using System.Security.Cryptography;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Enclave.Attestation;

/// <summary>The receiving keys: rotated hourly, signed by the attested identity key, the old one erased after a short overlap.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class KeyRing : IRequestKeys, IDisposable
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);
    public static readonly TimeSpan Overlap = TimeSpan.FromMinutes(5);

    // Clients' clocks may be behind; a key record is not secret before its time.
    private static readonly TimeSpan BackDating = TimeSpan.FromMinutes(5);

    private readonly Lock _lock = new();
    private readonly Ed25519PrivateKey _identity;
    private readonly HpkeSuite _suite;
    private readonly TimeProvider _time;
    private ImmutableArray<Entry> _entries = [];
    private ulong _epoch;

    public KeyRing(Ed25519PrivateKey identity, HpkeSuite suite, TimeProvider time)
    {
        _identity = identity;
        _suite = suite;
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

    /// <summary>Whether the newest key remembers so many requests that it should be replaced before its time.</summary>
    public bool IsExhausted
    {
        get
        {
            lock (_lock)
            {
                return _entries[0].Key.Replays.IsFull;
            }
        }
    }

    /// <summary>The newest key as the evidence names it.</summary>
    public BoundKey Bound
    {
        get
        {
            lock (_lock)
            {
                KeyRecord record = _entries[0].Record;
                return new BoundKey(
                    [.. record.KeyId.Span],
                    (ushort)record.Kem,
                    [.. record.PublicKey.Span],
                    [new HpkeSuiteIds((ushort)record.Kdf, (ushort)record.Aead)],
                    record.NotAfterMs);
            }
        }
    }

    public void Rotate()
    {
        lock (_lock)
        {
            DateTimeOffset now = _time.GetUtcNow();
            IKemPrivateKey key = _suite.Kem.Generate();
            KeyRecord record = new()
            {
                KeyId = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(RequestEnvelope.KeyIdSize)),
                Kem = _suite.Kem.Id,
                PublicKey = ByteString.CopyFrom(key.PublicKey),
                Kdf = _suite.KdfId,
                Aead = _suite.AeadId,
                NotBeforeMs = (ulong)(now - BackDating).ToUnixTimeMilliseconds(),
                NotAfterMs = (ulong)(now + Lifetime + Overlap).ToUnixTimeMilliseconds(),
                Epoch = ++_epoch,
            };
            Entry entry = new(record, SignedRecords.SignKey(_identity, record), new RequestKey(key, _suite, new ReplaySet()));
            RotateAt = now + Lifetime;

            // Two at most: rotation before its time must not pile up keys.
            foreach (Entry old in _entries.Skip(1))
            {
                old.Key.Key.Dispose();
            }

            _entries = [entry, .. _entries.Take(1)];
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

    // The newest key always stays: the host asks for rotation, and a late one must not leave the enclave without any.
    private void DropExpired()
    {
        DateTimeOffset now = _time.GetUtcNow();
        if (_entries.Length > 1 && _entries[1].Record.NotAfterMs <= (ulong)now.ToUnixTimeMilliseconds())
        {
            _entries[1].Key.Key.Dispose();
            _entries = [_entries[0]];
        }
    }

    private sealed record Entry(KeyRecord Record, SignedKeyRecord Signed, RequestKey Key);
}
