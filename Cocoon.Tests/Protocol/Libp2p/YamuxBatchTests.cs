using System.Collections.Concurrent;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Muxers;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Libp2p.Transports;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

/// <summary>What a session sends because of what it received leaves together: a record, a system call and a wake-up of the remote for each frame would cost more than the frames.</summary>
[CancelAfter(60_000)]
public sealed class YamuxBatchTests
{
    /// <summary>Two frames fill a record, so that none of them comes in pieces.</summary>
    private const int Streams = 8, Last = (RecordBuffer.MaxPlaintext / 2) - YamuxHeader.Size, First = (YamuxStream.InitialWindow / 2) - Last;

    /// <summary>Two bytes of length, the frames' headers, the tag.</summary>
    private static readonly int[] OneRecord = [2 + (Streams * YamuxHeader.Size) + NoiseCipher.TagSize];

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Test]
    public async Task WindowUpdates_OfStreamsReadInOneGo_LeaveInOneRecord(CancellationToken cancellationToken)
    {
        await using Bench bench = new();
        bench.Receive([.. Enumerable.Range(0, Streams).SelectMany(i => Data(i, YamuxFlags.Syn, First))]);
        await Eventually.TrueAsync("the streams", () => bench.Accepted.Count == Streams, Patience, cancellationToken);
        byte[] buffer = new byte[First];
        foreach (YamuxStream stream in bench.Accepted)
        {
            for (int at = 0; at < First;)
            {
                at += await stream.ReadAsync(buffer.AsMemory(at), cancellationToken);
            }
        }

        // All wait; the next bytes bring each of them to half of its window.
        Assert.That(bench.Sent, Is.Empty);
        Task<int>[] reads = [.. bench.Accepted.Select(stream => stream.ReadAsync(new byte[Last], cancellationToken).AsTask())];
        bench.Receive([.. Enumerable.Range(0, Streams).SelectMany(i => Data(i, YamuxFlags.None, Last))]);
        Assert.That(await Task.WhenAll(reads), Is.EqualTo(Enumerable.Repeat(Last, Streams)));
        await Eventually.TrueAsync("the updates", () => bench.Sent.Sum() >= OneRecord[0], Patience, cancellationToken);
        Assert.That(bench.Sent, Is.EqualTo(OneRecord));
    }

    [Test]
    public async Task Bytes_OfStreamsWhoseWindowsOpenTogether_LeaveInOneRecord(CancellationToken cancellationToken)
    {
        await using Bench bench = new();
        bench.Receive([.. Enumerable.Range(0, Streams).SelectMany(i => RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.Syn, Id(i), 0))]);
        await Eventually.TrueAsync("the streams", () => bench.Accepted.Count == Streams, Patience, cancellationToken);
        Task[] writes = [.. bench.Accepted.Select(stream => stream.WriteAsync(new byte[YamuxStream.InitialWindow + 1], cancellationToken).AsTask())];
        await Eventually.TrueAsync("every window is used up", () => bench.Sent.Sum() >= Streams * YamuxStream.InitialWindow, Patience, cancellationToken);
        int before = bench.Sent.Count;
        bench.Receive([.. Enumerable.Range(0, Streams).SelectMany(i => RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.None, Id(i), 1))]);
        await Task.WhenAll(writes);
        await Eventually.TrueAsync("the last bytes", () => bench.Sent.Count > before, Patience, cancellationToken);
        Assert.That(bench.Sent.Skip(before), Is.EqualTo(new[] { OneRecord[0] + Streams }));
    }

    /// <summary>Readers go on upon the thread that received for them: the session must not need that thread.</summary>
    [Test]
    public async Task Reader_ThatHoldsItsThread_KeepsNoOtherFromItsBytes(CancellationToken cancellationToken)
    {
        await using Bench bench = new();
        bench.Receive([.. Enumerable.Range(0, 3).SelectMany(i => RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.Syn, Id(i), 0))]);
        await Eventually.TrueAsync("the streams", () => bench.Accepted.Count == 3, Patience, cancellationToken);
        YamuxStream[] streams = [.. bench.Accepted];
        using ManualResetEventSlim held = new(), mayGoOn = new();
        Task[] holding = [.. streams[..2].Select(HoldAsync)];
        ValueTask<int> free = streams[2].ReadAsync(new byte[1], cancellationToken);
        bench.Receive([.. Data(0, YamuxFlags.None, 1), .. Data(1, YamuxFlags.None, 1)]);
        Assert.That(held.Wait(Patience, cancellationToken), "a reader has its byte");
        bench.Receive(Data(2, YamuxFlags.None, 1));
        Assert.That(await free, Is.EqualTo(1));
        mayGoOn.Set();
        await Task.WhenAll(holding);

        async Task HoldAsync(YamuxStream stream)
        {
            await stream.ReadAsync(new byte[1], cancellationToken);
            held.Set();
            mayGoOn.Wait(Patience, cancellationToken);
        }
    }

    private static uint Id(int stream) => (uint)((2 * stream) + 1);

    private static byte[] Data(int stream, YamuxFlags flags, int length) => [.. RawPeer.Frame(YamuxFrameType.Data, flags, Id(stream), (uint)length), .. new byte[length]];

    /// <summary>A session that is fed plaintext in pieces of the test's choice and whose writes are kept by their length.</summary>
    private sealed class Bench : IRawConnection
    {
        private readonly Lock _lock = new();
        private readonly NoiseCipher _seal = new(new byte[NoiseCipher.KeySize]);
        private readonly Queue<byte> _arrived = new();
        private readonly YamuxSession _session;
        private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private bool _ended;

        public Bench()
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            Libp2pLimits limits = new();
            NoiseChannel channel = new(
                this, new ConnectionReader(this), new NoiseCipher(new byte[NoiseCipher.KeySize]), new NoiseCipher(new byte[NoiseCipher.KeySize]), PeerId.FromPublicKey(key.PublicKey));
            _session = new YamuxSession(
                channel, isClient: false, limits, new MemoryBudget(limits.NodeMemory), new MemoryBudget(limits.NodeMemory), new ManualTimeProvider(), Accepted.Enqueue);
            _session.Start();
        }

        public ConcurrentQueue<YamuxStream> Accepted { get; } = new();

        public ConcurrentQueue<int> Sent { get; } = new();

        public Multiaddr LocalAddress { get; } = Multiaddr.Parse("/ip4/127.0.0.1/tcp/1");

        public Multiaddr RemoteAddress { get; } = Multiaddr.Parse("/ip4/127.0.0.1/tcp/2");

        /// <summary>All of it is there at once, sealed as its peer would.</summary>
        public void Receive(byte[] plaintext)
        {
            List<byte> wire = [];
            foreach (byte[] part in plaintext.Chunk(4 * RecordBuffer.MaxPlaintext))
            {
                RecordBuffer records = new();
                records.Write(part);
                wire.AddRange(records.Seal(_seal).Span);
                records.Release();
            }

            lock (_lock)
            {
                wire.ForEach(_arrived.Enqueue);
                Wake();
            }
        }

        public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            while (true)
            {
                Task wait;
                lock (_lock)
                {
                    int count = 0;
                    while (count < buffer.Length && _arrived.TryDequeue(out byte next))
                    {
                        buffer.Span[count++] = next;
                    }

                    if (count > 0 || _ended)
                    {
                        return count;
                    }

                    wait = _changed.Task;
                }

                await wait.WaitAsync(cancellationToken);
            }
        }

        public async ValueTask WaitReadableAsync(CancellationToken cancellationToken)
        {
            while (true)
            {
                Task wait;
                lock (_lock)
                {
                    if (_arrived.Count > 0 || _ended)
                    {
                        return;
                    }

                    wait = _changed.Task;
                }

                await wait.WaitAsync(cancellationToken);
            }
        }

        public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
        {
            Sent.Enqueue(buffer.Length);
            return ValueTask.CompletedTask;
        }

        public ValueTask CloseWriteAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public void Abort()
        {
            lock (_lock)
            {
                _ended = true;
                Wake();
            }
        }

        public async ValueTask DisposeAsync()
        {
            Abort();
            if (!_session.Ended.IsCancellationRequested || !_session.Completion.IsCompleted)
            {
                await _session.Completion;
            }

            _seal.Dispose();
        }

        private void Wake()
        {
            TaskCompletionSource changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            changed.SetResult();
        }
    }
}
