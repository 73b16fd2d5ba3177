using System.Collections.Concurrent;
using System.IO.Pipelines;
using Cocoon.Node.Enclaves;
using Cocoon.Protocol.Enclaves;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.EndToEnd;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Enclaves;

/// <summary>The host's end of the pipe, against an enclave that the test plays.</summary>
[CancelAfter(60_000)]
public sealed class EnclaveConnectionTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>With both readers waiting for a writer of theirs neither side would ever go on.</summary>
    [Test]
    public async Task Session_TooSlowWhileTheEnclaveReadsNothing_DoesNotStopTheReader(CancellationToken cancellationToken)
    {
        await using Bench bench = new();
        IEnclaveSession session = await bench.OpenAsync(handle: 1, cancellationToken);

        // Nobody reads the session's events: at 4 MiB it is given up, which the enclave is told.
        bench.ToEnclave.Stall();
        EnclaveFrame output = new() { Output = new Output { Handle = 1, Sealed = ByteString.CopyFrom(new byte[512 << 10]) } };
        for (int i = 0; i < 9; i++)
        {
            await bench.Enclave.WriteAsync(output, cancellationToken);
        }

        await bench.Enclave.WriteAsync(new EnclaveFrame { Load = new Load() }, cancellationToken);
        await Eventually.TrueAsync("the reader goes on", () => !bench.Notices.IsEmpty, Patience, cancellationToken);
        bench.ToEnclave.GoOn();
        await Eventually.TrueAsync("the enclave is told", () => bench.ToEnclave.Written > 1, Patience, cancellationToken);
        await session.DisposeAsync();
    }

    /// <summary>Who reads a session may go on upon the thread that reads the pipe, and answers the enclave from there.</summary>
    [Test]
    public async Task Session_WhoseReaderWritesWhileTheEnclaveReadsNothing_DoesNotStopThePipe(CancellationToken cancellationToken)
    {
        await using Bench bench = new();
        IEnclaveSession session = await bench.OpenAsync(handle: 1, cancellationToken);
        int heard = 0;
        Task answering = AnswerAsync();
        bench.ToEnclave.Stall();
        await bench.Enclave.WriteAsync(new EnclaveFrame { Metered = new Metered { Handle = 1, DueNanoton = 1 } }, cancellationToken);
        await Eventually.TrueAsync("the session hears", () => Volatile.Read(ref heard) == 1, Patience, cancellationToken);
        await bench.Enclave.WriteAsync(new EnclaveFrame { Load = new Load() }, cancellationToken);
        await Eventually.TrueAsync("the pipe is read on", () => !bench.Notices.IsEmpty, Patience, cancellationToken);
        Assert.That(answering.IsCompleted, Is.False);
        bench.ToEnclave.GoOn();
        await answering;
        await session.DisposeAsync();

        async Task AnswerAsync()
        {
            await foreach (EnclaveEvent happened in session.ReadEventsAsync(cancellationToken))
            {
                Interlocked.Increment(ref heard);
                await session.AllowAsync(2, cancellationToken);
                return;
            }
        }
    }

    /// <summary>What frames that came together say to one session, it hears together: each wake-up costs as much as a frame.</summary>
    [Test]
    public async Task Frames_ThatCameTogether_AreHeardInOrderAndTogether(CancellationToken cancellationToken)
    {
        await using Bench bench = new();
        IEnclaveSession[] sessions = [await bench.OpenAsync(handle: 1, cancellationToken), await bench.OpenAsync(handle: 2, cancellationToken)];
        IAsyncEnumerator<EnclaveEvent>[] events = [.. sessions.Select(s => s.ReadEventsAsync(cancellationToken).GetAsyncEnumerator(cancellationToken))];
        ValueTask<bool>[] first = [.. events.Select(e => e.MoveNextAsync())];
        for (uint due = 1; due <= 3; due++)
        {
            bench.Enclave.Append(new EnclaveFrame { Metered = new Metered { Handle = 1, DueNanoton = due } });
            bench.Enclave.Append(new EnclaveFrame { Metered = new Metered { Handle = 2, DueNanoton = 10 * due } });
        }

        await bench.Enclave.WriteAsync(new EnclaveFrame { Load = new Load() }, cancellationToken);
        for (int i = 0; i < events.Length; i++)
        {
            Assert.That(await first[i]);
            List<ulong> dues = [((EnclaveEvent.Metered)events[i].Current).DueNanoton];
            while (dues.Count < 3)
            {
                ValueTask<bool> next = events[i].MoveNextAsync();
                Assert.That(next.IsCompletedSuccessfully && next.Result, "heard without being woken again");
                dues.Add(((EnclaveEvent.Metered)events[i].Current).DueNanoton);
            }

            ulong unit = i == 0 ? 1u : 10u;
            Assert.That(dues, Is.EqualTo(new[] { unit, 2 * unit, 3 * unit }));
            await sessions[i].DisposeAsync();
            Assert.That(await events[i].MoveNextAsync(), Is.False);
            await events[i].DisposeAsync();
        }
    }

    /// <summary>A connection and the two ends of its pipes that the test holds.</summary>
    private sealed class Bench : IAsyncDisposable
    {
        private readonly Pipe _fromEnclave = new();
        private readonly EnclaveConnection _connection;

        public Bench()
        {
            Enclave = new PipeFrameWriter(_fromEnclave.Writer.AsStream());
            _connection = new EnclaveConnection(_fromEnclave.Reader.AsStream(), ToEnclave, 8, Notices.Enqueue);
        }

        public PipeFrameWriter Enclave { get; }

        public StallingStream ToEnclave { get; } = new();

        public ConcurrentQueue<EnclaveFrame> Notices { get; } = new();

        public async Task<IEnclaveSession> OpenAsync(uint handle, CancellationToken cancellationToken)
        {
            Task<IEnclaveSession> opening = _connection.OpenAsync(new byte[1], new SignedQuote(), cancellationToken);
            await Enclave.WriteAsync(new EnclaveFrame { SessionOpened = new SessionOpened { Handle = handle } }, cancellationToken);
            return await opening;
        }

        public async ValueTask DisposeAsync()
        {
            await _fromEnclave.Writer.CompleteAsync();
            await _connection.DisposeAsync();
            await ToEnclave.DisposeAsync();
        }
    }

    /// <summary>A pipe whose other end stops to read.</summary>
    private sealed class StallingStream : Stream
    {
        private readonly ManualResetEventSlim _mayWrite = new(initialState: true);
        private int _written;

        public int Written => Volatile.Read(ref _written);

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public void Stall() => _mayWrite.Reset();

        public void GoOn() => _mayWrite.Set();

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            _mayWrite.Wait();
            Interlocked.Increment(ref _written);
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            _mayWrite.Set();
            base.Dispose(disposing);
        }
    }
}
