using System.Threading.Channels;
using Cocoon.Enclave.Sessions;
using Cocoon.Protocol.Enclaves;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.Protocol.Sessions;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Sessions;

/// <summary>What host and client hear, and in which order, when the engine acts in the moment of an edge.</summary>
public sealed class PacedAnswerSenderTests
{
    private static readonly TokenCounts Nothing = new(0, 0, 0);
    private static readonly TokenCounts Prompt = new(10, 0, 0);

    private ManualTimeProvider _time = null!;
    private SessionPair _pair = null!;
    private AnswerReader _client = null!;
    private HookedPipe _pipe = null!;
    private PacedAnswerSender _sender = null!;

    [SetUp]
    public void SetUp()
    {
        _time = new ManualTimeProvider();
        _pair = new SessionPair(_time);
        SealedCall call = _pair.Seal();
        _client = new AnswerReader(call.Response);
        _pipe = new HookedPipe();
        ResponseSealer sealer = _pair.Opener.Open(_pair.Session, call.Header, call.Sealed).Response;
        _sender = new PacedAnswerSender(sealer, new SessionOutput(new PipeFrameWriter(_pipe), 1), used => used.Prompt + used.Completion, 1, isBatch: false, _time);
    }

    [TearDown]
    public async Task TearDown()
    {
        await _sender.DisposeAsync();
        await _pipe.DisposeAsync();
        _client.Dispose();
        _pair.Dispose();
    }

    [Test]
    public async Task Steady_EdgesBeforeAnythingIsUsed_AreNotToldToTheHost()
    {
        await _sender.PostAsync(new AnswerEvent { Started = new Started { PromptTokens = 10 } }, Nothing, CancellationToken.None);
        (List<EnclaveFrame> host, _) = await DriveAsync((3 * ResponseShape.TicksPerBlock) + 2);
        Assert.That(host.Where(f => f.Metered is not null), Is.Empty);
        await _sender.BlockAsync(Nothing, Prompt, CancellationToken.None);
        (host, List<AnswerEvent> heard) = await DriveAsync(ResponseShape.TicksPerBlock);
        Assert.That(host.Single(f => f.Metered is not null).Metered, Is.EqualTo(new Metered { Handle = 1, DueNanoton = 10, Blocked = true }));
        Assert.That(heard.Single(a => a.Delta is not null).Delta.BlockedDue, Is.EqualTo(10));
    }

    [Test]
    public async Task Steady_BlockedWhileTheEdgesFrameIsWritten_HostHearsOfItWithTheClient()
    {
        await _sender.PostAsync(new AnswerEvent { Started = new Started { PromptTokens = 10 } }, Nothing, CancellationToken.None);
        int frames = 0;
        _pipe.BeforeWrite = () =>
        {
            if (++frames == ResponseShape.TicksPerBlock + 1)
            {
                Assert.That(_sender.BlockAsync(Nothing, Prompt, CancellationToken.None).AsTask().IsCompletedSuccessfully, "it waits for the edge, not for the pipe");
            }
        };
        (List<EnclaveFrame> host, List<AnswerEvent> heard) = await DriveAsync(ResponseShape.TicksPerBlock + 2);
        Assert.That(heard.Where(a => a.Delta is not null), Is.Empty, "the frame of this edge was sealed before");
        Assert.That(host.Where(f => f.Metered is not null), Is.Empty, "so the host does not wait for money that nobody asked for");
        (host, heard) = await DriveAsync(ResponseShape.TicksPerBlock);
        Assert.That(heard.Single(a => a.Delta is not null).Delta.BlockedDue, Is.EqualTo(10));
        Assert.That(host.Single(f => f.Metered is not null).Metered, Is.EqualTo(new Metered { Handle = 1, DueNanoton = 10, Blocked = true }));
    }

    /// <summary>Moves the clock once per frame, so many frames far.</summary>
    private async Task<(List<EnclaveFrame> Host, List<AnswerEvent> Heard)> DriveAsync(int frames)
    {
        List<EnclaveFrame> host = [];
        List<AnswerEvent> heard = [];
        while (frames > 0)
        {
            EnclaveFrame frame = await _pipe.ReadFrameAsync().WaitAsync(EnclavePair.Patience);
            host.Add(frame);
            if (frame.Output is { } output)
            {
                heard.AddRange(_client.Read(output.Sealed.Span));
                frames--;
                _time.Advance(ResponseShape.Tick);
            }
        }

        return (host, heard);
    }

    /// <summary>The enclave's end of a pipe: runs something before frames are taken, and hands them on.</summary>
    private sealed class HookedPipe : MemoryStream
    {
        private readonly Channel<byte[]> _writes = Channel.CreateUnbounded<byte[]>();
        private readonly Queue<EnclaveFrame> _frames = new();

        public Action BeforeWrite { get; set; } = () => { };

        public async Task<EnclaveFrame> ReadFrameAsync()
        {
            while (_frames.Count == 0)
            {
                PipeFrameReader<EnclaveFrame> reader = new(new MemoryStream(await _writes.Reader.ReadAsync()), EnclaveFrame.Parser);
                while (await reader.ReadAsync(CancellationToken.None) is { } frame)
                {
                    _frames.Enqueue(frame);
                }
            }

            return _frames.Dequeue();
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            BeforeWrite();
            _writes.Writer.TryWrite(buffer.ToArray());
        }
    }
}
