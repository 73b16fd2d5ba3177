using Cocoon.Node.Payments;
using Cocoon.Node.Serving;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Sessions;

/// <summary>A client against a provider that welcomes it well and then misbehaves.</summary>
internal sealed class SessionRunTests
{
    private delegate Task Misbehaviour(SessionLink link, Request request, StubEnclave enclave, CancellationToken cancellationToken);

    [Test]
    public async Task RunAsync_Declined_LeavesTheChannelFreeAndTheVoucherAsCredit()
    {
        await using SessionBench bench = new(static (_, _, _) => Task.CompletedTask);
        ulong vouched = 0;
        for (int i = 0; i < 3; i++)
        {
            InferenceException? declined = await AskAsync(bench, static async (link, _, _, ct) =>
                await link.WriteAsync(ClientLine.Declined(DeclineReason.DeclineSlots, "full", 0), ct));
            Assert.That(declined!.Failure, Is.EqualTo(InferenceFailure.Overloaded));
            Assert.That(bench.Channel.HasLiveSessions, Is.False, "a channel with a live session can never be closed");
            vouched = vouched == 0 ? bench.Channel.HighestTotal : vouched;
            Assert.That(bench.Channel.HighestTotal, Is.EqualTo(vouched).And.GreaterThan(0UL), "each decline would cost one more step");
        }

        Assert.That(bench.Channel.Record.Due, Is.Zero);
        await Assert.ThrowsAsync<PaymentException>(
            () => bench.Channel.ReconcileAsync(vouched, 1, asking: null, CancellationToken.None), "what was declined costs nothing");
    }

    [Test]
    public async Task RunAsync_LostBeforeItWasAccepted_LeavesTheChannelFreeAndOwesAtMostItsShare()
    {
        await using SessionBench bench = new(static (_, _, _) => Task.CompletedTask);
        InferenceException? lost = await AskAsync(bench, static (link, _, _, _) =>
        {
            link.Stream.Reset();
            return Task.CompletedTask;
        });
        Assert.That((lost!.Failure, bench.Channel.HasLiveSessions), Is.EqualTo((InferenceFailure.ProviderLost, false)));
        ulong vouched = bench.Channel.HighestTotal;
        await bench.Channel.ReconcileAsync(vouched, vouched, asking: null, CancellationToken.None);
        Assert.That(bench.Channel.Record.Due, Is.EqualTo(vouched));
    }

    [Test]
    public async Task RunAsync_EngineRefuses_OwesWhatTheEnclaveSaidAndNoMore()
    {
        await using SessionBench bench = new(static (_, _, _) => Task.CompletedTask);
        InferenceException? refused = await AskAsync(bench, async (link, request, enclave, ct) =>
        {
            await link.WriteAsync(new ProviderMessage { Accepted = new Accepted() }, ct);
            using ResponseSealer sealer = enclave.Open(request).Response;
            AnswerEvent failed = new() { Failed = new Failed { HttpStatus = 402, Code = "max_due_exceeded", Message = "too long", DueNanoton = 0 } };
            await link.WriteAsync(new ProviderMessage { Sealed = new SealedFrame { Data = ByteString.CopyFrom(Frame(sealer, failed)) } }, ct);
        });
        Assert.That((refused!.Code, bench.Channel.HasLiveSessions), Is.EqualTo(("max_due_exceeded", false)));
        ClientChannelRecord record = bench.Channel.Record;
        Assert.That((record.Due, record.MayOwe), Is.EqualTo((0UL, 0UL)), "what was refused costs nothing");
        await Assert.ThrowsAsync<PaymentException>(() => bench.Channel.ReconcileAsync(record.HighestTotal, 1, asking: null, CancellationToken.None));
    }

    /// <summary>In tier open an enclave is whatever its owner makes it: one that talks for ever must not fill the client's memory.</summary>
    [Test]
    public async Task RunAsync_EnclaveThatNeverStopsTalking_IsLostOnceItSaidMoreThanAnAnswerHas()
    {
        await using SessionBench bench = new(static (_, _, _) => Task.CompletedTask);
        long sent = 0;
        InferenceException? lost = await AskAsync(
            bench,
            async (link, request, enclave, ct) =>
            {
                await link.WriteAsync(new ProviderMessage { Accepted = new Accepted { HighestTotal = bench.Channel.HighestTotal } }, ct);
                using ResponseSealer sealer = enclave.Open(request).Response;
                AnswerEvent endless = new() { Delta = new Delta { Text = new string('a', 16 << 10) } };
                byte[] frames = new byte[ResponseShape.FrameSize * ResponseShape.MaxFramesPerChunk];
                try
                {
                    while (sent < 64 << 20)
                    {
                        AnswerWriter writer = new();
                        writer.Append(endless);
                        int count = writer.PendingFrames;
                        for (int i = 0; i < count; i++)
                        {
                            writer.TakeFrame(frames.AsSpan(i * ResponseShape.FrameSize, ResponseShape.FrameSize));
                        }

                        byte[] chunk = sealer.Seal(frames.AsSpan(0, count * ResponseShape.FrameSize), isFinal: false);
                        await link.WriteAsync(new ProviderMessage { Sealed = new SealedFrame { Data = ByteString.CopyFrom(chunk) } }, ct);
                        sent += chunk.Length;
                    }
                }
                catch (IOException)
                {
                    // The client has hung up.
                }
            },
            isHeard: true);
        Assert.That(lost!.Failure, Is.EqualTo(InferenceFailure.ProviderLost));
        Assert.That(sent, Is.LessThan(8 << 20));
        Assert.That(bench.Channel.HasLiveSessions, Is.False);
    }

    [TestCase(uint.MaxValue, 0U)]
    [TestCase(1U, 2U)]
    public async Task RunAsync_EnclaveThatMiscountsThePrompt_IsToldInTokensAndRisksWhatWasVouched(uint prompt, uint cached)
    {
        await using SessionBench bench = new(static (_, _, _) => Task.CompletedTask);
        InferenceException? refused = await AskAsync(bench, async (link, request, enclave, ct) =>
        {
            await link.WriteAsync(new ProviderMessage { Accepted = new Accepted() }, ct);
            using ResponseSealer sealer = enclave.Open(request).Response;
            AnswerEvent started = new() { Started = new Started { PromptTokens = prompt, CachedTokens = cached } };
            await link.WriteAsync(new ProviderMessage { Sealed = new SealedFrame { Data = ByteString.CopyFrom(Frame(sealer, started)) } }, ct);
        });
        Assert.That((refused!.Failure, refused.AtRiskNanoton), Is.EqualTo((InferenceFailure.Overcharged, bench.Channel.HighestTotal)));
        Assert.That(refused.Why, Does.Contain("tokens").And.Not.Contain("nanoTON"));
    }

    /// <summary>What a host can do to sealed frames on their way, each an error by its own word; what came before it stays what the enclave said.</summary>
    [TestCase("flip", SessionReasons.Tampered)]
    [TestCase("drop", SessionReasons.Dropped)]
    [TestCase("repeat", SessionReasons.Repeated)]
    [TestCase("swap", SessionReasons.Reordered)]
    [TestCase("end", SessionReasons.Truncated)]
    [TestCase("settle", SessionReasons.Truncated)]
    public async Task RunAsync_FramesDisturbedOnTheirWay_AreRefusedByTheWord(string how, string word)
    {
        await using SessionBench bench = new(static (_, _, _) => Task.CompletedTask);
        InferenceException? refused = await AskAsync(
            bench,
            async (link, request, enclave, ct) =>
            {
                await link.WriteAsync(new ProviderMessage { Accepted = new Accepted() }, ct);
                using ResponseSealer sealer = enclave.Open(request).Response;
                List<byte[]> frames =
                    [Frame(sealer, new AnswerEvent { Started = new Started { PromptTokens = 1 } }), .. "abcd".Select(text => Frame(sealer, new AnswerEvent { Delta = new Delta { Text = $"{text}" } }))];
                switch (how)
                {
                    case "flip":
                        frames[3][^1] ^= 1;
                        break;
                    case "drop":
                        frames.RemoveAt(3);
                        break;
                    case "repeat":
                        frames.Insert(3, frames[2]);
                        break;
                    case "swap":
                        (frames[3], frames[4]) = (frames[4], frames[3]);
                        break;
                }

                foreach (byte[] frame in frames)
                {
                    await link.WriteAsync(new ProviderMessage { Sealed = new SealedFrame { Data = ByteString.CopyFrom(frame) } }, ct);
                }

                if (how == "settle")
                {
                    await link.WriteAsync(new ProviderMessage { Settlement = new SignedSettlement() }, ct);
                }

                await link.Stream.CloseWriteAsync(ct);
            },
            isHeard: true);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((refused!.Failure, refused.Code, refused.TryAnother), Is.EqualTo((InferenceFailure.Truncated, word, true)));
            Assert.That(FailureWords.Of(refused), Is.EqualTo(word), "also where another provider goes on");
            Assert.That(refused.Why, Does.StartWith(word + ": "));
            Assert.That(bench.Channel.HasLiveSessions, Is.False);
        }
    }

    [Test]
    public async Task RunAsync_DeclinedBecauseACutSessionCostMore_LearnsItAndMayAskAgain()
    {
        await using SessionBench bench = new(static (_, _, _) => Task.CompletedTask);
        ClientSession cut = bench.Channel.BeginSession(new SessionId(77), ahead: 100);
        await cut.VouchAsync(100, CancellationToken.None);
        await cut.EndAsync(0, mayOweUpTo: 200, CancellationToken.None);
        for (int i = 0; i < 2; i++)
        {
            InferenceException? declined = await AskAsync(bench, static async (link, _, _, ct) =>
                await link.WriteAsync(ClientLine.Declined(DeclineReason.DeclineVoucher, "more is owed", 100, carriedDue: 200), ct));
            Assert.That(declined!.ChannelWasBehind, Is.EqualTo(i == 0), "asking again the second time would go on for ever");
        }

        Assert.That(bench.Channel.Record.Due, Is.EqualTo(200));
    }

    /// <summary>A short answer that is served on credit ends before any other voucher would leave.</summary>
    [Test]
    public async Task RunAsync_AcceptedThoughACutSessionCostMore_VouchesForItAtOnce()
    {
        await using SessionBench bench = new(static (_, _, _) => Task.CompletedTask);
        ClientSession cut = bench.Channel.BeginSession(new SessionId(77), ahead: 100);
        await cut.VouchAsync(100, CancellationToken.None);
        await cut.EndAsync(0, mayOweUpTo: 200, CancellationToken.None);
        ulong allocated = 0, covers = 0;
        await AskAsync(bench, async (link, request, _, ct) =>
        {
            allocated = request.Voucher.ReadAllocations().Single().NanoTon;
            await link.WriteAsync(new ProviderMessage { Accepted = new Accepted { HighestTotal = bench.Channel.HighestTotal, CarriedDue = 200 } }, ct);
            (ClientMessage Message, byte[] Bytes)? next = await link.ReadClientMessageAsync(SessionLink.MaxMessage, ct);
            Assert.That(VoucherVerifier.Read(next!.Value.Message.Voucher, bench.Channel.Channel, out SignedVoucher? voucher), Is.Null);
            covers = voucher!.Statement.Total;
            link.Stream.Reset();
        });
        Assert.That(allocated, Is.Positive);
        Assert.That(covers, Is.EqualTo(200 + allocated));
    }

    [TestCase(50UL, false, 50UL)]
    [TestCase(50UL, true, 0UL, Description = "signed by somebody else")]
    [TestCase(ulong.MaxValue, false, 0UL, Description = "more than the request can cost")]
    [TestCase(4_096UL, false, 4_096UL, Description = "the step that was vouched, and one on credit")]
    [TestCase(4_097UL, false, 0UL, Description = "more than can have been served, though the request might have cost it in the end")]
    public async Task RunAsync_LeftMidway_BooksWhatTheEnclaveSettled(ulong due, bool forged, ulong booked)
    {
        await using SessionBench bench = new(static (_, _, _) => Task.CompletedTask);
        TaskCompletionSource accepted = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using CancellationTokenSource leaving = new();
        Task<Exception?> asking = AskAsync<Exception>(
            bench,
            async (link, request, enclave, ct) =>
            {
                await link.WriteAsync(new ProviderMessage { Accepted = new Accepted() }, ct);
                accepted.SetResult();
                while (await link.ReadClientMessageAsync(SessionLink.MaxMessage, ct) is var (message, _) && message.BodyCase != ClientMessage.BodyOneofCase.Cancel)
                {
                }

                RoutingHeader header = RoutingHeader.Parser.ParseFrom(request.Header);
                using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
                await link.WriteAsync(
                    new ProviderMessage
                    {
                        Settlement = SignedRecords.SignSettlement(
                            forged ? other : enclave.Identity, new Settlement { SessionId = header.SessionId, Channel = header.Channel, DueNanoton = due }),
                    },
                    ct);
            },
            isHeard: false,
            leaving.Token,
            maxTokens: 8_000);
        await accepted.Task;
        await leaving.CancelAsync();
        Assert.That(await asking, Is.InstanceOf<OperationCanceledException>());
        Assert.That((bench.Channel.Record.Due, bench.Channel.HasLiveSessions), Is.EqualTo((booked, false)));
        bool isSettled = booked > 0;
        Assert.That(
            async () => await bench.Channel.ReconcileAsync(0, booked + 1, asking: null, CancellationToken.None),
            isSettled ? Throws.InstanceOf<PaymentException>() : Throws.Nothing, "nothing rests on the host's word once the enclave spoke");
    }

    private static byte[] Frame(ResponseSealer sealer, AnswerEvent happened)
    {
        AnswerWriter writer = new();
        writer.Append(happened);
        byte[] frame = new byte[ResponseShape.FrameSize];
        writer.TakeFrame(frame);
        return sealer.Seal(frame, isFinal: false);
    }

    private static Task<InferenceException?> AskAsync(SessionBench bench, Misbehaviour misbehave, bool isHeard = false) =>
        AskAsync<InferenceException>(bench, misbehave, isHeard, CancellationToken.None);

    /// <param name="isHeard">Whether parts of an answer may come before the failure.</param>
    private static async Task<TException?> AskAsync<TException>(
        SessionBench bench, Misbehaviour misbehave, bool isHeard, CancellationToken leaving, uint maxTokens = 100)
        where TException : Exception
    {
        bench.Serve = async (link, enclave, ct) =>
        {
            (ClientMessage Message, byte[] Bytes)? request = await link.ReadClientMessageAsync(SessionLink.MaxMessage, ct);
            await misbehave(link, request!.Value.Message.Request, enclave, ct);
        };
        await using OpenedSession session = await bench.OpenAsync();
        return await Assert.CatchAsync<TException>(() => bench.AskAsync(
            session, maxTokens, part => Assert.That(isHeard || part is AnswerPart.Opened, $"{part} from a provider that gave nothing"), leaving));
    }
}
