using System.IO.Pipelines;
using System.Security.Cryptography;
using Cocoon.Enclave;
using Cocoon.Node.Enclaves;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Enclaves;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Sessions;

/// <summary>A host that changes, mixes, repeats and invents what passes between client and enclave: it can cause an error and nothing else.</summary>
public sealed class HostileHostTests
{
    private const string Answer = "word0 word1 word2 word3 word4 word5 word6 word7 ";

    [Test]
    public async Task Answer_DisturbedByTheHost_IsTheTrueOneOrAnError()
    {
        int seed = Environment.TickCount;
        Random random = new(seed);
        List<byte[]> others = [];
        int whole = 0;
        await using EnclavePair pair = await EnclavePair.StartAsync();
        for (int i = 0; i < 200; i++)
        {
            await using ClientSession client = await pair.OpenAsync();
            SealedCall call = client.Seal();
            List<byte[]> sent = await CollectAsync(client.Host, call);
            List<byte[]> delivered = [.. sent];
            for (int changes = random.Next(4); changes > 0; changes--)
            {
                Disturb(random, delivered, others);
            }

            bool isTrue = delivered.Count == sent.Count && delivered.Zip(sent).All(p => p.First.AsSpan().SequenceEqual(p.Second));
            using AnswerReader reader = new(call.Response);
            (string text, string? word) = Read(reader, delivered);
            bool isRefused = word is not null;
            string context = $"seed {seed}, case {i}";
            Assert.That(word, Is.EqualTo(WordOf(sent, delivered)), context);
            Assert.That(text, Is.EqualTo(Answer[..Math.Min(text.Length, Answer.Length)]), context);
            Assert.That(!isRefused && reader.IsComplete, Is.EqualTo(isTrue), context);
            Assert.That(isTrue && text != Answer, Is.False, context);
            whole += isTrue ? 1 : 0;
            others.AddRange(sent);
        }

        Assert.That(whole, Is.InRange(20, 180), "of both kinds");
    }

    [Test]
    public async Task Request_ReplayedToAnotherSessionOrEnclave_IsRefusedByItsWord()
    {
        await using EnclavePair first = await EnclavePair.StartAsync(), second = await EnclavePair.StartAsync();
        await using ClientSession asked = await first.OpenAsync(), again = await first.OpenAsync(), elsewhere = await second.OpenAsync();
        SealedCall call = asked.Seal();
        await CollectAsync(asked.Host, call);

        // As it is, it names the session that it was sealed for. With a header made to fit, it is sealed for another transcript, or to a key of another boot.
        Assert.That(await RefusalAsync(again, call.Header, call.Sealed), Is.EqualTo("mismatch"));
        await using ClientSession forged = await first.OpenAsync();
        Assert.That(await RefusalAsync(forged, Fitting(forged, call.Header), call.Sealed), Is.EqualTo("undecryptable"));
        Assert.That(await RefusalAsync(elsewhere, Fitting(elsewhere, call.Header), call.Sealed), Is.EqualTo("unknown-key"));
        Assert.That((first.Engine.Requests.Count, second.Engine.Requests.Count), Is.EqualTo((1, 0)), "the engine saw it once");
    }

    [Test]
    public async Task Request_StartedTwiceInItsSession_RunsOnce()
    {
        FakeEngine engine = new() { Step = new SemaphoreSlim(0) };
        await using EnclavePair pair = await EnclavePair.StartAsync(engine: engine);
        await using ClientSession client = await pair.OpenAsync();
        SealedCall call = client.Seal();
        await client.StartAsync(call);
        await client.Host.StartAsync(call.Header, call.Sealed, ulong.MaxValue, statementDigest: default, CancellationToken.None);
        Assert.That((await client.UntilAsync<EnclaveEvent.Refused>()).Reason, Is.EqualTo("malformed"));
        Assert.That(engine.Requests, Has.Count.LessThanOrEqualTo(1));

        // The enclave serves on.
        engine.Step = null;
        await using ClientSession next = await pair.OpenAsync();
        await next.StartAsync(next.Seal());
        Assert.That((await next.FinishAsync()).Outcome, Is.EqualTo("finished"));
    }

    [Test]
    public async Task Request_ForNoSession_IsRefusedByItsWord()
    {
        List<EnclaveFrame> frames = await BootAsync(new HostFrame { StartRequest = new StartRequest { Handle = 7 } });
        Assert.That(frames[2].SessionRefused, Is.EqualTo(new SessionRefused { Handle = 7, Reason = SessionReasons.UnknownSession }));
    }

    [Test]
    public async Task Pipe_FramesOfAHostileHost_EndTheProcessByItsCodeOrAreAnswered()
    {
        int seed = Environment.TickCount;
        for (int run = 0; run < 60; run++)
        {
            Random random = new(seed + run);
            Pipe toEnclave = new(), toHost = new();
            EnclaveHostOptions options = new()
            {
                Protection = new NoProtection(),
                LoadEngine = (_, _, _, _) => Task.FromResult<Cocoon.Enclave.Inference.IInferenceEngine>(new FakeEngine()),
            };
            Task<int> enclave = Task.Run(() => EnclaveHost.RunAsync(toEnclave.Reader.AsStream(), toHost.Writer.AsStream(), options, CancellationToken.None));
            Task<List<EnclaveFrame>> heard = DrainAsync(toHost.Reader.AsStream());
            PipeFrameWriter writer = new(toEnclave.Writer.AsStream());
            await writer.WriteAsync(new HostFrame { Configure = new Configure { ModelPath = "/fake", PeerId = ByteString.CopyFrom(Bytes(random, 60)) } }, CancellationToken.None);
            for (int frames = random.Next(40); frames > 0; frames--)
            {
                await writer.WriteAsync(Frame(random), CancellationToken.None);
            }

            if (random.Next(2) == 0)
            {
                await toEnclave.Writer.WriteAsync(Bytes(random, 64));
            }

            await toEnclave.Writer.CompleteAsync();
            int code = await enclave.WaitAsync(EnclavePair.Patience);
            await toHost.Writer.CompleteAsync();
            Assert.That(code, Is.EqualTo(EnclaveHost.ExitOk).Or.EqualTo(EnclaveHost.ExitProtocol), $"seed {seed}, run {run}");
            Assert.That((await heard).Where(f => f.Output is not null), Is.Empty, "nothing was asked by anybody who has a key");
        }
    }

    [TestCase("no_new_privs")]
    [TestCase("seccomp")]
    [TestCase("dumpable")]
    [TestCase("core")]
    [TestCase("pdeathsig")]
    [TestCase("output")]
    [TestCase("environment")]
    [TestCase("diagnostics")]
    public async Task Enclave_WithoutAProtection_TellsItAndMakesNoKeys(string missing)
    {
        List<EnclaveFrame> frames = await BootAsync(missing: missing);
        Assert.That(frames.Select(f => f.BodyCase), Is.EqualTo(new[] { EnclaveFrame.BodyOneofCase.Protections, EnclaveFrame.BodyOneofCase.Fault }));
        Assert.That(frames[1].Fault.Message, Is.EqualTo("not on: " + missing));
    }

    [Test]
    public async Task Enclave_WithEveryProtection_TellsThemBeforeItsKeys()
    {
        List<EnclaveFrame> frames = await BootAsync();
        Assert.That(frames.Select(f => f.BodyCase).Take(2), Is.EqualTo(new[] { EnclaveFrame.BodyOneofCase.Protections, EnclaveFrame.BodyOneofCase.Ready }));
    }

    private static async Task<List<EnclaveFrame>> BootAsync(HostFrame? frame = null, params string[] missing)
    {
        Pipe toEnclave = new(), toHost = new();
        EnclaveHostOptions options = new()
        {
            Protection = new NoProtection(missing),
            LoadEngine = (_, _, _, _) => Task.FromResult<Cocoon.Enclave.Inference.IInferenceEngine>(new FakeEngine()),
        };
        Task<int> enclave = Task.Run(() => EnclaveHost.RunAsync(toEnclave.Reader.AsStream(), toHost.Writer.AsStream(), options, CancellationToken.None));
        Task<List<EnclaveFrame>> heard = DrainAsync(toHost.Reader.AsStream());
        PipeFrameWriter writer = new(toEnclave.Writer.AsStream());
        await writer.WriteAsync(new HostFrame { Configure = new Configure { ModelPath = "/fake" } }, CancellationToken.None);
        if (frame is not null)
        {
            await writer.WriteAsync(frame, CancellationToken.None);
        }

        await writer.WriteAsync(new HostFrame { Shutdown = new Shutdown() }, CancellationToken.None);
        Assert.That(await enclave.WaitAsync(EnclavePair.Patience), Is.EqualTo(missing.Length == 0 ? EnclaveHost.ExitOk : EnclaveHost.ExitUnprotected));
        await toHost.Writer.CompleteAsync();
        return await heard;
    }

    /// <summary>The whole answer as the host sees it, paid at once.</summary>
    private static async Task<List<byte[]>> CollectAsync(IEnclaveSession host, SealedCall call)
    {
        await host.StartAsync(call.Header, call.Sealed, ulong.MaxValue, statementDigest: default, CancellationToken.None);
        List<byte[]> frames = [];
        await foreach (EnclaveEvent happened in host.ReadEventsAsync(CancellationToken.None))
        {
            switch (happened)
            {
                case EnclaveEvent.Output output:
                    frames.Add(output.Sealed.ToArray());
                    break;
                case EnclaveEvent.Metered { IsFinal: true } final:
                    await host.ReportVoucherAsync(new byte[32], final.DueNanoton, CancellationToken.None);
                    break;
            }
        }

        return frames;
    }

    private static void Disturb(Random random, List<byte[]> frames, List<byte[]> others)
    {
        int at = random.Next(frames.Count + 1);
        switch (random.Next(7))
        {
            case 0 when at < frames.Count:
                frames.RemoveAt(at);
                break;
            case 1 when at < frames.Count:
                frames.Insert(random.Next(frames.Count + 1), frames[at]);
                break;
            case 2 when at < frames.Count:
                frames.RemoveRange(at, frames.Count - at);
                break;
            case 3 when at < frames.Count:
                int with = random.Next(frames.Count);
                (frames[at], frames[with]) = (frames[with], frames[at]);
                break;
            case 4 when at < frames.Count && frames[at].Length > 0:
                byte[] flipped = [.. frames[at]];
                flipped[random.Next(flipped.Length)] ^= (byte)(1 << random.Next(8));
                frames[at] = flipped;
                break;
            case 5 when others.Count > 0:
                frames.Insert(at, others[random.Next(others.Count)]);
                break;
            default:
                frames.Insert(at, RandomNumberGenerator.GetBytes(random.Next(1200)));
                break;
        }
    }

    /// <summary>What the first frame that is not the next one should be called; <c>null</c>: there is none.</summary>
    private static string? WordOf(List<byte[]> sent, List<byte[]> delivered)
    {
        int at = 0;
        while (at < delivered.Count && at < sent.Count && delivered[at].AsSpan().SequenceEqual(sent[at]))
        {
            at++;
        }

        if (at == delivered.Count)
        {
            return null;
        }

        int place = sent.FindIndex(frame => frame.AsSpan().SequenceEqual(delivered[at]));
        int plain = delivered[at].Length - 1 - HpkeAead.TagSize;
        bool looksLikeALaterOne = plain > 0 && plain % ResponseShape.FrameSize == 0 && (delivered[at][0] is 0 or (byte)ChunkFlags.Final);
        return place >= 0 && place < at ? "repeated"
            : place > at || (at == 0 && looksLikeALaterOne) ? "dropped"
            : "tampered";
    }

    private static (string Text, string? Word) Read(AnswerReader reader, List<byte[]> frames)
    {
        string text = "";
        foreach (byte[] frame in frames)
        {
            try
            {
                text += string.Concat(reader.Read(frame).Where(a => a.Delta is not null).Select(a => a.Delta.Text));
            }
            catch (SessionException exception)
            {
                return (text, exception.Word);
            }
        }

        return (text, null);
    }

    private static async Task<string> RefusalAsync(ClientSession session, byte[] header, byte[] sealedRequest)
    {
        await session.Host.StartAsync(header, sealedRequest, ulong.MaxValue, statementDigest: default, CancellationToken.None);
        return (await session.UntilAsync<EnclaveEvent.Refused>()).Reason;
    }

    private static byte[] Fitting(ClientSession session, byte[] header)
    {
        RoutingHeader routing = RoutingHeader.Parser.ParseFrom(header);
        routing.SessionId = ByteString.CopyFrom(session.Enclave.SessionId);
        routing.QuoteDigest = ByteString.CopyFrom(session.Enclave.QuoteDigest);
        return routing.ToByteArray();
    }

    private static HostFrame Frame(Random random)
    {
        ulong handle = (ulong)random.Next(4);
        return random.Next(9) switch
        {
            0 => new HostFrame { StartRequest = new StartRequest { Handle = handle, Header = ByteString.CopyFrom(Bytes(random, 200)), Sealed = ByteString.CopyFrom(Bytes(random, 3000)) } },
            1 => new HostFrame { Allow = new Allow { Handle = handle, UpToDue = (ulong)random.NextInt64() } },
            2 => new HostFrame { CancelSession = new CancelSession { Handle = handle } },
            3 => new HostFrame { CloseSession = new CloseSession { Handle = handle } },
            4 => new HostFrame { ReportVoucher = new ReportVoucher { Handle = handle, StatementDigest = ByteString.CopyFrom(Bytes(random, 40)), CoversDue = (ulong)random.NextInt64() } },
            5 => new HostFrame { SelfTest = new SelfTest() },
            6 when random.Next(8) == 0 => new HostFrame { Configure = new Configure() },
            _ => new HostFrame { OpenSession = new OpenSession { Handle = handle, Hello = Hello(random), Quote = random.Next(4) == 0 ? null : Quote(random) } },
        };
    }

    private static ByteString Hello(Random random) => random.Next(3) == 0
        ? ByteString.CopyFrom(Bytes(random, 100))
        : new Hello
        {
            Nonce = ByteString.CopyFrom(Bytes(random, 32)), Versions = { 1 }, ModelId = ByteString.CopyFrom(Bytes(random, 32)), FreshEvidence = random.Next(2) == 0,
        }.ToByteString();

    private static SignedQuote Quote(Random random) => new() { Quote = random.Next(2) == 0 ? ByteString.CopyFrom(Bytes(random, 90)) : new Quote().ToByteString() };

    private static byte[] Bytes(Random random, int most)
    {
        byte[] bytes = new byte[random.Next(most + 1)];
        random.NextBytes(bytes);
        return bytes;
    }

    private static async Task<List<EnclaveFrame>> DrainAsync(Stream stream)
    {
        PipeFrameReader<EnclaveFrame> reader = new(stream, EnclaveFrame.Parser);
        List<EnclaveFrame> frames = [];
        while (await reader.ReadAsync(CancellationToken.None) is { } frame)
        {
            if (frame.Log is null)
            {
                frames.Add(frame);
            }
        }

        return frames;
    }
}
