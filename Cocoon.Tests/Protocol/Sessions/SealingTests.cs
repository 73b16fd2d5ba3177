using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.Support;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Sessions;

public sealed class SealingTests
{
    private ManualTimeProvider _time = null!;

    [SetUp]
    public void SetUp() => _time = new ManualTimeProvider();

    [TestCase(true)]
    [TestCase(false)]
    public void Request_SealedForTheSession_OpensWithTheSameContent(bool suiteA)
    {
        using SessionPair pair = new(_time, suiteA ? HpkeSuite.A : HpkeSuite.B);
        SealedCall call = pair.Seal();
        using ResponseOpener response = call.Response;
        OpenedRequest opened = pair.Opener.Open(pair.Session, call.Header, call.Sealed);
        using ResponseSealer sealer = opened.Response;
        Assert.That(opened.Request, Is.EqualTo(pair.Request));
        Assert.That(opened.Header, Is.EqualTo(pair.Header));
    }

    [Test]
    public void Request_AnyByteChanged_IsRefused()
    {
        using SessionPair pair = new(_time);
        SealedCall call = pair.Seal();
        using ResponseOpener response = call.Response;
        for (int i = 0; i < call.Sealed.Length; i++)
        {
            byte[] changed = [.. call.Sealed];
            changed[i] ^= 1;
            Assert.That(() => pair.Opener.Open(pair.Session, call.Header, changed), Throws.InstanceOf<SessionException>(), $"byte {i}");
        }

        Assert.That(() => pair.Opener.Open(pair.Session, call.Header, call.Sealed).Response.Dispose(), Throws.Nothing);
    }

    [Test]
    public void Request_RoutingHeaderRewritten_IsUndecryptable()
    {
        using SessionPair pair = new(_time);
        SealedCall call = pair.Seal();
        using ResponseOpener response = call.Response;
        RoutingHeader rewritten = pair.Header.Clone();
        rewritten.OutputBucket = 512;
        AssertRefused(SessionReasons.Undecryptable, () => pair.Opener.Open(pair.Session, rewritten.ToByteArray(), call.Sealed));
    }

    [Test]
    public void Request_OtherReportDataOrTranscript_IsUndecryptable()
    {
        using SessionPair pair = new(_time);
        SealedCall call = pair.Seal();
        using ResponseOpener response = call.Response;
        OpeningSession otherEvidence = pair.Session with { ReportData = RandomNumberGenerator.GetBytes(64) };
        AssertRefused(SessionReasons.Undecryptable, () => pair.Opener.Open(otherEvidence, call.Header, call.Sealed));
        byte[] transcript = [.. pair.Session.TranscriptHash];
        transcript[31] ^= 1;
        AssertRefused(SessionReasons.Undecryptable, () => pair.Opener.Open(pair.Session with { TranscriptHash = transcript }, call.Header, call.Sealed));
    }

    [Test]
    public void Request_SentTwice_IsReplayed()
    {
        using SessionPair pair = new(_time);
        SealedCall call = pair.Seal();
        using ResponseOpener response = call.Response;
        pair.Opener.Open(pair.Session, call.Header, call.Sealed).Response.Dispose();
        AssertRefused(SessionReasons.Replayed, () => pair.Opener.Open(pair.Session, call.Header, call.Sealed));
    }

    [Test]
    public void ReplaySet_Full_RefusesInsteadOfForgetting()
    {
        using SessionPair pair = new(_time, replayCapacity: 1);
        SealedCall first = pair.Seal();
        SealedCall second = pair.Seal();
        pair.Opener.Open(pair.Session, first.Header, first.Sealed).Response.Dispose();
        AssertRefused(SessionReasons.KeyExhausted, () => pair.Opener.Open(pair.Session, second.Header, second.Sealed));
        AssertRefused(SessionReasons.Replayed, () => pair.Opener.Open(pair.Session, first.Header, first.Sealed));
        first.Response.Dispose();
        second.Response.Dispose();
    }

    [Test]
    public void Request_ToAKeyThatIsErasedMeanwhile_IsUnknown()
    {
        SessionPair pair = new(_time);
        SealedCall call = pair.Seal();
        using ResponseOpener response = call.Response;
        pair.Dispose();
        AssertRefused(SessionReasons.UnknownKey, () => pair.Opener.Open(pair.Session, call.Header, call.Sealed));
    }

    [Test]
    public void Request_WithAHeaderBeyondItsLimit_IsTooLarge()
    {
        using SessionPair pair = new(_time);
        SealedCall call = pair.Seal();
        using ResponseOpener response = call.Response;
        AssertRefused(SessionReasons.TooLarge, () => pair.Opener.Open(pair.Session, new byte[1025], call.Sealed));
    }

    [Test]
    public void Request_AfterItsExpiry_IsExpired()
    {
        using SessionPair pair = new(_time);
        SealedCall call = pair.Seal();
        using ResponseOpener response = call.Response;
        _time.Advance(TimeSpan.FromSeconds(30));
        AssertRefused(SessionReasons.Expired, () => pair.Opener.Open(pair.Session, call.Header, call.Sealed));
    }

    [Test]
    public void Request_InnerDiffersFromOuter_IsMismatch()
    {
        using SessionPair pair = new(_time);
        pair.Request.Channel = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32));
        SealedCall channel = pair.Seal();
        AssertRefused(SessionReasons.Mismatch, () => pair.Opener.Open(pair.Session, channel.Header, channel.Sealed));
        pair.Request.Channel = pair.Header.Channel;
        pair.Request.Prices = new Prices { Prompt = 1 };
        SealedCall prices = pair.Seal();
        AssertRefused(SessionReasons.Mismatch, () => pair.Opener.Open(pair.Session, prices.Header, prices.Sealed));
        channel.Response.Dispose();
        prices.Response.Dispose();
    }

    [Test]
    public void Response_InOrder_ArrivesAndIsComplete()
    {
        using SessionPair pair = new(_time);
        (ResponseSealer sealer, AnswerReader reader) = Exchange(pair);
        AnswerWriter writer = new();
        AnswerEvent[] sent = [.. Enumerable.Range(0, 40).Select(i => Delta(new string('x', i * 7)))];
        List<AnswerEvent> received = [];
        byte[] frame = new byte[ResponseShape.FrameSize];
        foreach (AnswerEvent answer in sent)
        {
            writer.Append(answer);
            if (answer.Delta.Text.Length % 2 == 0)
            {
                writer.TakeFrame(frame);
                received.AddRange(reader.Read(sealer.Seal(frame, isFinal: false)));
            }
        }

        while (writer.PendingFrames > 0)
        {
            writer.TakeFrame(frame);
            received.AddRange(reader.Read(sealer.Seal(frame, isFinal: writer.PendingFrames == 0)));
        }

        Assert.That(received, Is.EqualTo(sent));
        Assert.That(reader.IsComplete);
        Assert.That(reader.ThrowIfIncomplete, Throws.Nothing);
        sealer.Dispose();
        reader.Dispose();
    }

    [Test]
    public void Response_WithoutItsFinalChunk_IsTruncated()
    {
        using SessionPair pair = new(_time);
        (ResponseSealer sealer, AnswerReader reader) = Exchange(pair);
        reader.Read(sealer.Seal(new byte[ResponseShape.FrameSize], isFinal: false));
        AssertRefused(SessionReasons.Truncated, reader.ThrowIfIncomplete);
        sealer.Dispose();
        reader.Dispose();
    }

    [TestCase("swap")]
    [TestCase("drop")]
    [TestCase("repeat")]
    [TestCase("flip-flag")]
    [TestCase("flip-body")]
    [TestCase("cut")]
    [TestCase("foreign")]
    public void Response_Disturbed_IsTamperedForGood(string how)
    {
        using SessionPair pair = new(_time);
        (ResponseSealer sealer, AnswerReader reader) = Exchange(pair);
        (ResponseSealer foreign, AnswerReader foreignReader) = Exchange(pair);
        byte[][] chunks = [.. Enumerable.Range(0, 4).Select(i => sealer.Seal(new byte[ResponseShape.FrameSize], isFinal: i == 3))];
        foreign.Seal(new byte[ResponseShape.FrameSize], isFinal: false);
        reader.Read(chunks[0]);
        byte[] next = how switch
        {
            "swap" or "drop" => chunks[2],
            "repeat" => chunks[0],
            "flip-flag" => [(byte)(chunks[1][0] ^ (byte)ChunkFlags.Final), .. chunks[1][1..]],
            "flip-body" => [.. chunks[1][..40], (byte)(chunks[1][40] ^ 1), .. chunks[1][41..]],
            "cut" => chunks[1][..^1],
            _ => foreign.Seal(new byte[ResponseShape.FrameSize], isFinal: false),
        };
        AssertRefused(SessionReasons.Tampered, () => reader.Read(next));
        AssertRefused(SessionReasons.Tampered, () => reader.Read(chunks[1]));
        Assert.That(reader.IsComplete, Is.False);
        foreach (IDisposable d in new IDisposable[] { sealer, reader, foreign, foreignReader })
        {
            d.Dispose();
        }
    }

    [Test]
    public void Response_AfterFinal_NothingOpensOrSeals()
    {
        using SessionPair pair = new(_time);
        (ResponseSealer sealer, AnswerReader reader) = Exchange(pair);
        byte[] last = sealer.Seal(new byte[ResponseShape.FrameSize], isFinal: true);
        reader.Read(last);
        AssertRefused(SessionReasons.Tampered, () => reader.Read(last));
        Assert.That(() => sealer.Seal(new byte[ResponseShape.FrameSize], isFinal: true), Throws.InvalidOperationException);
        sealer.Dispose();
        reader.Dispose();
    }

    [Test]
    public void Response_HourlyKeyKnownLater_DoesNotOpenIt()
    {
        using SessionPair pair = new(_time);
        SealedCall call = pair.Seal();
        OpenedRequest opened = pair.Opener.Open(pair.Session, call.Header, call.Sealed);
        byte[] chunk = opened.Response.Seal(new byte[ResponseShape.FrameSize], isFinal: true);

        // Whoever has the receiving key rebuilds the HPKE context, but neither ephemeral secret.
        RequestKey key = pair.Find(RequestEnvelope.KeyIdOf(call.Sealed))!;
        RequestEnvelope envelope = RequestEnvelope.Read(call.Sealed, key.Suite);
        using HpkeContext context =
            key.Suite.TrySetupRecipient(key.Key, envelope.Encapsulation, RequestEnvelope.Info(envelope.Header, pair.Session.ReportData))!;
        using ResponseOpener thief = new(
            key.Suite, context, envelope.Encapsulation.ToArray(), Cocoon.Protocol.Cryptography.X25519PrivateKey.Generate());
        Assert.That(thief.TryOpen(chunk), Is.Null);
        Assert.That(call.Response.TryOpen(chunk), Is.Not.Null);
        opened.Response.Dispose();
        call.Response.Dispose();
    }

    private static (ResponseSealer Sealer, AnswerReader Reader) Exchange(SessionPair pair)
    {
        SealedCall call = pair.Seal();
        return (pair.Opener.Open(pair.Session, call.Header, call.Sealed).Response, new AnswerReader(call.Response));
    }

    private static AnswerEvent Delta(string text) => new() { Delta = new Delta { Text = text, DueNanoton = (ulong)text.Length } };

    private static void AssertRefused(string word, Action action) => Assert.That(Assert.Throws<SessionException>(() => action())!.Word, Is.EqualTo(word));
}
