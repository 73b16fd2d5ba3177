using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Muxers;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

public sealed class YamuxTests
{
    [TestCase("000100010000000100000000", YamuxFrameType.WindowUpdate, YamuxFlags.Syn, 1u, 0u)]
    [TestCase("000100020000000100000000", YamuxFrameType.WindowUpdate, YamuxFlags.Ack, 1u, 0u)]
    [TestCase("000000040000000100000003", YamuxFrameType.Data, YamuxFlags.Fin, 1u, 3u)]
    [TestCase("000200010000000000000007", YamuxFrameType.Ping, YamuxFlags.Syn, 0u, 7u)]
    [TestCase("000300000000000000000000", YamuxFrameType.GoAway, YamuxFlags.None, 0u, 0u)]
    public void Header_GoldenBytes_ReadAndWrite(string hex, object type, object flags, uint id, uint length)
    {
        YamuxHeader header = new((YamuxFrameType)type, (YamuxFlags)flags, id, length);
        byte[] bytes = new byte[YamuxHeader.Size];
        header.Write(bytes);
        Assert.That(Convert.ToHexStringLower(bytes), Is.EqualTo(hex));
        Assert.That(YamuxHeader.Read(bytes), Is.EqualTo(header));
    }

    [TestCase("010000000000000000000000")]
    [TestCase("000400000000000000000000")]
    public void Header_UnknownVersionOrType_IsAViolation(string hex) =>
        Assert.That(() => YamuxHeader.Read(Convert.FromHexString(hex)), Throws.InstanceOf<Libp2pException>());

    [Test]
    public async Task Process_BodyInPieces_ArrivesWholeAndInOrder()
    {
        YamuxStream? accepted = null;
        YamuxSession session = CreateIdle(stream => accepted = stream);
        byte[] body = new byte[100_000];
        new Random(3).NextBytes(body);
        byte[] wire = [.. RawPeer.Frame(YamuxFrameType.Data, YamuxFlags.Syn | YamuxFlags.Fin, 1, (uint)body.Length), .. body];
        Random cut = new(4);
        for (int at = 0; at < wire.Length;)
        {
            int length = Math.Min(wire.Length - at, cut.Next(1, 9000));
            session.Process(wire.AsSpan(at, length));
            at += length;
        }

        byte[] received = new byte[body.Length + 1];
        int count = 0;
        while (await accepted!.ReadAsync(received.AsMemory(count, Math.Min(777, received.Length - count)), CancellationToken.None) is var read and > 0)
        {
            count += read;
        }

        Assert.That(received.AsSpan(0, count).SequenceEqual(body), Is.True);
        Assert.That(session.Memory.Used, Is.Zero, "all segments went back");
    }

    [Test]
    public void Process_UnreadBytes_StayWithinTheWindow()
    {
        YamuxSession session = CreateIdle();
        session.Process(RawPeer.Frame(YamuxFrameType.Data, YamuxFlags.Syn, 1, YamuxStream.InitialWindow));
        session.Process(new byte[YamuxStream.InitialWindow]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(session.Memory.Used, Is.LessThanOrEqualTo(YamuxStream.InitialWindow + (64 * 1024)));
            Assert.That(() => session.Process(RawPeer.Frame(YamuxFrameType.Data, YamuxFlags.None, 1, 1)), Violation());
        }
    }

    [Test]
    public void Process_OneByteAboveTheWindow_IsAViolation() =>
        Assert.That(
            () => CreateIdle().Process(RawPeer.Frame(YamuxFrameType.Data, YamuxFlags.Syn, 1, YamuxStream.InitialWindow + 1)), Violation());

    [Test]
    public void Process_OwnParityZeroOrDoubleOpen_IsAViolation()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => CreateIdle().Process(RawPeer.Frame(YamuxFrameType.Data, YamuxFlags.Syn, 2, 0)), Violation());
            Assert.That(() => CreateIdle().Process(RawPeer.Frame(YamuxFrameType.Data, YamuxFlags.Syn, 0, 0)), Violation());
            YamuxSession session = CreateIdle();
            session.Process(RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.Syn, 1, 0));
            Assert.That(() => session.Process(RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.Syn, 1, 0)), Violation());
        }
    }

    [Test]
    public void Process_WindowOverflow_IsAViolation()
    {
        YamuxSession session = CreateIdle();
        session.Process(RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.Syn, 1, 0));
        Assert.That(() => session.Process(RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.None, 1, uint.MaxValue)), Violation());
    }

    [Test]
    public void Process_ResetWithErrorCode_IsNoWindow()
    {
        YamuxSession session = CreateIdle();
        session.Process(RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.Syn, 1, 0));
        session.Process(RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.Rst, 1, uint.MaxValue));
        Assert.That(session.StreamCount, Is.Zero);
    }

    [Test]
    public void Process_FramesOfUnknownStreams_AreDrained()
    {
        YamuxSession session = CreateIdle();
        session.Process((byte[])[.. RawPeer.Frame(YamuxFrameType.Data, YamuxFlags.None, 77, 1000), .. new byte[1000]]);
        session.Process(RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.Rst, 79, 0));
        session.Process(RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.Syn, 1, 0));
        Assert.That(session.StreamCount, Is.EqualTo(1));
    }

    [Test]
    public void Process_MorePingsThanQueued_EndsTheSession()
    {
        YamuxSession session = CreateIdle();
        // Nothing is sent: the answers pile up once the send buffer is full, but the rate is bounded before.
        Assert.That(
            () =>
            {
                for (uint i = 0; i < 200; i++)
                {
                    session.Process(RawPeer.Frame(YamuxFrameType.Ping, YamuxFlags.Syn, 0, i));
                }
            },
            Throws.InstanceOf<Libp2pException>().With.Property(nameof(Libp2pException.Code)).EqualTo(Libp2pErrorCode.ResourceLimit));
    }

    [Test]
    public void Process_AnswerToNoPing_IsAViolation() =>
        Assert.That(() => CreateIdle().Process(RawPeer.Frame(YamuxFrameType.Ping, YamuxFlags.Ack, 0, 1)), Violation());

    [Test]
    public void Process_OneStreamTooMany_IsRefusedAloneAndAFloodEndsTheSession()
    {
        Libp2pLimits limits = new();
        YamuxSession session = CreateIdle(limits: limits);
        for (uint i = 0; i <= limits.InboundStreams; i++)
        {
            session.Process(RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.Syn, (2 * i) + 1, 0));
        }

        Assert.That(session.StreamCount, Is.EqualTo(limits.InboundStreams));
        Assert.That(
            () =>
            {
                for (uint i = 1000; i < 100_000; i++)
                {
                    session.Process(RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.Syn, (2 * i) + 1, 0));
                }
            },
            Throws.InstanceOf<Libp2pException>().With.Property(nameof(Libp2pException.Code)).EqualTo(Libp2pErrorCode.ResourceLimit));
    }

    [Test]
    public async Task Process_NoMemoryLeft_ResetsThatStreamOnly()
    {
        List<YamuxStream> accepted = [];
        YamuxSession session = CreateIdle(accepted.Add, new Libp2pLimits { ConnectionMemory = 64 * 1024 });
        session.Process((byte[])[.. RawPeer.Frame(YamuxFrameType.Data, YamuxFlags.Syn, 1, 64), .. new byte[64]]);
        session.Process((byte[])[.. RawPeer.Frame(YamuxFrameType.Data, YamuxFlags.Syn, 3, 100_000), .. new byte[100_000]]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(async () => await accepted[1].ReadAsync(new byte[1], CancellationToken.None), Throws.InstanceOf<IOException>());
            Assert.That(await accepted[0].ReadAsync(new byte[100], CancellationToken.None), Is.EqualTo(64));
            Assert.That(session.Memory.Used, Is.Zero);
        }
    }

    [Test]
    public async Task Read_HalfOfTheWindowWithinTheRoundTrip_DoublesTheWindow()
    {
        ManualTimeProvider time = new();
        YamuxStream? stream = null;
        YamuxSession session = CreateIdle(accepted => stream = accepted, time: time);
        session.AddRoundTrip(TimeSpan.FromMilliseconds(50));
        byte[] half = new byte[YamuxStream.InitialWindow / 2];
        session.Process((byte[])[.. RawPeer.Frame(YamuxFrameType.Data, YamuxFlags.Syn, 1, (uint)half.Length), .. half]);
        time.Advance(TimeSpan.FromMilliseconds(199));
        await DrainAsync(stream!, half.Length);
        Assert.That(session.WindowMemory.Used, Is.EqualTo(YamuxStream.InitialWindow), "grown");
        session.Process((byte[])[.. RawPeer.Frame(YamuxFrameType.Data, YamuxFlags.None, 1, 2 * (uint)half.Length), .. new byte[2 * half.Length]]);
        time.Advance(TimeSpan.FromMilliseconds(201));
        await DrainAsync(stream!, 2 * half.Length);
        Assert.That(session.WindowMemory.Used, Is.EqualTo(YamuxStream.InitialWindow), "slow enough: no growth");
        stream!.Reset();
        Assert.That(session.WindowMemory.Used, Is.Zero);
    }

    [Test]
    public async Task Read_HoweverFast_NeverGrowsTheWindowAboveItsLimit()
    {
        YamuxStream? stream = null;
        YamuxSession session = CreateIdle(accepted => stream = accepted, new Libp2pLimits { MaxStreamWindow = 3 * YamuxStream.InitialWindow });
        session.AddRoundTrip(TimeSpan.FromMilliseconds(50));
        byte[] piece = new byte[YamuxStream.InitialWindow / 2];
        for (int i = 0; i < 40; i++)
        {
            session.Process((byte[])[.. RawPeer.Frame(YamuxFrameType.Data, i == 0 ? YamuxFlags.Syn : YamuxFlags.None, 1, (uint)piece.Length), .. piece]);
            await DrainAsync(stream!, piece.Length);
        }

        Assert.That(session.WindowMemory.Used, Is.EqualTo(2 * YamuxStream.InitialWindow));
    }

    [Test, CancelAfter(30_000)]
    public async Task Open_OneMoreThanMayBeUnacknowledged_WaitsForTheRemote(CancellationToken cancellationToken)
    {
        YamuxSession session = CreateIdle(limits: new Libp2pLimits { UnacknowledgedStreams = 4 });
        List<YamuxStream> open = [];
        for (int i = 0; i < 4; i++)
        {
            open.Add(await session.OpenStreamAsync(cancellationToken));
        }

        Task<YamuxStream> fifth = session.OpenStreamAsync(cancellationToken).AsTask();
        Assert.That((fifth.IsCompleted, session.StreamCount), Is.EqualTo((false, 4)));
        session.Process(RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.Ack, open[2].Id, 0));
        await fifth;
        Assert.That(session.StreamCount, Is.EqualTo(5));
        open[0].Reset();
        Assert.That(await session.OpenStreamAsync(cancellationToken), Is.Not.Null, "a stream that is gone waits for nothing");
    }

    [Test]
    public async Task Sweep_AStreamThatItsOwnerLeft_WaitsForTheRemotesEndOnlySoLong()
    {
        ManualTimeProvider time = new();
        YamuxStream? stream = null;
        Libp2pLimits limits = new();
        YamuxSession session = CreateIdle(accepted => stream = accepted, limits, time);
        session.Process(RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.Syn, 1, 0));
        await stream!.CloseWriteAsync(CancellationToken.None);
        await stream.DisposeAsync();
        time.Advance(limits.StreamLinger - TimeSpan.FromMilliseconds(1));
        session.Sweep();
        Assert.That(session.StreamCount, Is.EqualTo(1));
        time.Advance(TimeSpan.FromMilliseconds(1));
        session.Sweep();
        Assert.That(session.StreamCount, Is.Zero);
    }

    private static async Task DrainAsync(YamuxStream stream, int count)
    {
        byte[] buffer = new byte[count];
        for (int at = 0; at < count;)
        {
            at += await stream.ReadAsync(buffer.AsMemory(at), CancellationToken.None);
        }
    }

    /// <summary>A session whose loops do not run: frames go in by hand, answers stay in the buffer.</summary>
    private static YamuxSession CreateIdle(Action<YamuxStream>? accept = null, Libp2pLimits? limits = null, TimeProvider? time = null)
    {
        limits ??= new Libp2pLimits();
        NoiseChannel nowhere = null!;
        return new YamuxSession(
            nowhere, isClient: false, limits, new MemoryBudget(limits.NodeMemory), new MemoryBudget(limits.NodeMemory), time ?? new ManualTimeProvider(), accept ?? (_ => { }));
    }

    private static NUnit.Framework.Constraints.EqualConstraint<Libp2pErrorCode> Violation() =>
        Throws.InstanceOf<Libp2pException>().With.Property(nameof(Libp2pException.Code)).EqualTo(Libp2pErrorCode.MuxerViolation);
}
