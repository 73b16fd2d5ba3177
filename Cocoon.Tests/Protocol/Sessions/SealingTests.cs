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

    [TestCase("drop", SessionReasons.Dropped)]
    [TestCase("drop all but the last", SessionReasons.Dropped)]
    [TestCase("repeat", SessionReasons.Repeated)]
    [TestCase("repeat the first", SessionReasons.Repeated)]
    [TestCase("repeat the first with another nonce", SessionReasons.Tampered)]
    [TestCase("repeat the first with another key", SessionReasons.Tampered)]
    [TestCase("flip the final flag", SessionReasons.Tampered)]
    [TestCase("flip the first flag", SessionReasons.Tampered)]
    [TestCase("flip a bit", SessionReasons.Tampered)]
    [TestCase("cut", SessionReasons.Tampered)]
    [TestCase("empty", SessionReasons.Tampered)]
    [TestCase("noise", SessionReasons.Tampered)]
    [TestCase("of another session", SessionReasons.Tampered)]
    [TestCase("the first of another session", SessionReasons.Tampered)]
    public void Response_Disturbed_IsRefusedByItsWordForGood(string how, string word)
    {
        using SessionPair pair = new(_time);
        (ResponseSealer sealer, AnswerReader reader) = Exchange(pair);
        (ResponseSealer foreign, AnswerReader foreignReader) = Exchange(pair);
        byte[][] chunks = Chunks(sealer, 6), others = Chunks(foreign, 6);
        reader.Read(chunks[0]);
        reader.Read(chunks[1]);
        byte[] next = how switch
        {
            "drop" => chunks[3],
            "drop all but the last" => chunks[5],
            "repeat" => chunks[1],
            "repeat the first" => chunks[0],
            "repeat the first with another nonce" => [chunks[0][0], (byte)(chunks[0][1] ^ 1), .. chunks[0][2..]],
            "repeat the first with another key" => [.. chunks[0][..30], (byte)(chunks[0][30] ^ 1), .. chunks[0][31..]],
            "flip the final flag" => [(byte)(chunks[2][0] ^ (byte)ChunkFlags.Final), .. chunks[2][1..]],
            "flip the first flag" => [(byte)(chunks[2][0] ^ (byte)ChunkFlags.First), .. chunks[2][1..]],
            "flip a bit" => [.. chunks[2][..40], (byte)(chunks[2][40] ^ 1), .. chunks[2][41..]],
            "cut" => chunks[2][..^1],
            "empty" => [],
            "noise" => [0, .. RandomNumberGenerator.GetBytes(chunks[2].Length - 1)],
            "of another session" => others[2],
            _ => others[0],
        };
        AssertRefused(word, () => reader.Read(next));

        // Nothing opens after that, not what was to come either, and the word stays.
        AssertRefused(word, () => reader.Read(chunks[4]));
        AssertRefused(word, () => reader.Read(chunks[5]));
        Assert.That(reader.IsComplete, Is.False);
        foreach (IDisposable d in new IDisposable[] { sealer, reader, foreign, foreignReader })
        {
            d.Dispose();
        }
    }

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(3)]
    public void Response_TwoChunksInEachOthersPlace_AreDroppedAndThenReordered(int at)
    {
        using SessionPair pair = new(_time);
        (ResponseSealer sealer, AnswerReader reader) = Exchange(pair);
        byte[][] chunks = Chunks(sealer, 6);
        for (int i = 0; i < at; i++)
        {
            reader.Read(chunks[i]);
        }

        // Of the first of them alone nobody can say which it is.
        AssertRefused(SessionReasons.Dropped, () => reader.Read(chunks[at + 1]));
        AssertRefused(SessionReasons.Reordered, () => reader.Read(chunks[at]));
        AssertRefused(SessionReasons.Reordered, () => reader.Read(chunks[at + 1]));
        Assert.That(reader.IsComplete, Is.False);
        sealer.Dispose();
        reader.Dispose();
    }

    /// <summary>The search for a chunk's place ends: beyond it a chunk is only one that does not open.</summary>
    [TestCase(256, SessionReasons.Dropped)]
    [TestCase(257, SessionReasons.Tampered)]
    public void Response_ManyChunksMissing_IsSearchedForWithinABound(int missing, string word)
    {
        using SessionPair pair = new(_time);
        (ResponseSealer sealer, AnswerReader reader) = Exchange(pair);
        byte[][] chunks = Chunks(sealer, missing + 3);
        reader.Read(chunks[0]);
        AssertRefused(word, () => reader.Read(chunks[1 + missing]));
        sealer.Dispose();
        reader.Dispose();
    }

    [Test]
    public void Response_AfterFinal_NothingOpensOrSeals()
    {
        using SessionPair pair = new(_time);
        (ResponseSealer sealer, AnswerReader reader) = Exchange(pair);
        byte[] last = sealer.Seal(new byte[ResponseShape.FrameSize], isFinal: true);
        reader.Read(last);
        AssertRefused(SessionReasons.Repeated, () => reader.Read(last));
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

    private static byte[][] Chunks(ResponseSealer sealer, int count) =>
        [.. Enumerable.Range(0, count).Select(i => sealer.Seal(new byte[ResponseShape.FrameSize], isFinal: i == count - 1))];

    private static AnswerEvent Delta(string text) => new() { Delta = new Delta { Text = text, DueNanoton = (ulong)text.Length } };

    private static void AssertRefused(string word, Action action) => Assert.That(Assert.Throws<SessionException>(() => action())!.Word, Is.EqualTo(word));
}
