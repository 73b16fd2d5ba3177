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
        Pipe fromEnclave = new();
        PipeFrameWriter enclave = new(fromEnclave.Writer.AsStream());
        using StallingStream toEnclave = new();
        ConcurrentQueue<EnclaveFrame> notices = new();
        await using EnclaveConnection connection = new(fromEnclave.Reader.AsStream(), toEnclave, 8, notices.Enqueue);
        Task<IEnclaveSession> opening = connection.OpenAsync(new byte[1], new SignedQuote(), cancellationToken);
        await enclave.WriteAsync(new EnclaveFrame { SessionOpened = new SessionOpened { Handle = 1 } }, cancellationToken);
        IEnclaveSession session = await opening;

        // Nobody reads the session's events: at 4 MiB it is given up, which the enclave is told.
        toEnclave.Stall();
        EnclaveFrame output = new() { Output = new Output { Handle = 1, Sealed = ByteString.CopyFrom(new byte[512 << 10]) } };
        for (int i = 0; i < 9; i++)
        {
            await enclave.WriteAsync(output, cancellationToken);
        }

        await enclave.WriteAsync(new EnclaveFrame { Load = new Load() }, cancellationToken);
        await Eventually.TrueAsync("the reader goes on", () => !notices.IsEmpty, Patience, cancellationToken);
        toEnclave.GoOn();
        await Eventually.TrueAsync("the enclave is told", () => toEnclave.Written > 1, Patience, cancellationToken);
        await session.DisposeAsync();
        await fromEnclave.Writer.CompleteAsync();
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
