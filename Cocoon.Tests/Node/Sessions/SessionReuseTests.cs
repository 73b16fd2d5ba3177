using Cocoon.Node.Serving;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.EndToEnd;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Sessions;

/// <summary>One session for several requests: when it is kept, when it is not, and what a provider can do between two of them.</summary>
internal sealed class SessionReuseTests
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(60);

    [Test]
    public async Task Requests_OneAfterTheOther_ShareASessionAndNotAnId()
    {
        await using SessionBench bench = new(async (link, enclave, ct) =>
        {
            while (await link.ReadClientMessageAsync(SessionLink.MaxMessage, ct) is var (message, _))
            {
                await enclave.AnswerAsync(link, message.Request, due: 10, ct);
            }
        });
        OpenedSession session = await bench.OpenAsync();
        HashSet<string> ids = [];
        for (ulong i = 1; i <= 3; i++)
        {
            Assert.That(ids.Add(Convert.ToHexString(session.Enclave.SessionId)), Is.True);
            List<AnswerPart> parts = await bench.AskAsync(session);
            Assert.That(parts.OfType<AnswerPart.Text>().Single().Delta.Text, Is.EqualTo("yes"));
            Assert.That((bench.Channel.Record.Due, bench.Channel.HasLiveSessions), Is.EqualTo((10 * i, false)));
            Assert.That(session.TryAdvance(), Is.True);
        }

        Assert.That(bench.Enclave.Welcomes, Is.EqualTo(1));
        await session.DisposeAsync();
    }

    [Test]
    public async Task Acceptance_AfterAcksOfTheRequestBefore_IsFound()
    {
        await using SessionBench bench = new(async (link, enclave, ct) =>
        {
            while (await link.ReadClientMessageAsync(SessionLink.MaxMessage, ct) is var (message, _))
            {
                await link.WriteAsync(new ProviderMessage { VoucherAck = new VoucherAck() }, ct);
                await enclave.AnswerAsync(link, message.Request, due: 10, ct);
            }
        });
        await using OpenedSession session = await bench.OpenAsync();
        await bench.AskAsync(session);
        Assert.That(session.TryAdvance(), Is.True);
        Assert.That((await bench.AskAsync(session)).OfType<AnswerPart.Completed>().Single().Cost.CostNanoton, Is.EqualTo(10));
    }

    [Test]
    public async Task Answer_OfTheRequestBefore_SentAgain_IsNoAnswer()
    {
        Request? first = null;
        await using SessionBench bench = new(async (link, enclave, ct) =>
        {
            ProviderMessage? repeated = null;
            while (await link.ReadClientMessageAsync(SessionLink.MaxMessage, ct) is var (message, _))
            {
                if (first is null)
                {
                    first = message.Request;
                    OpenedRequest opened = enclave.Open(first);
                    using ResponseSealer sealer = opened.Response;
                    AnswerWriter writer = new();
                    writer.Append(new AnswerEvent { Finished = new Finished { Usage = new Usage(), DueNanoton = 10 } });
                    byte[] frame = new byte[ResponseShape.FrameSize];
                    writer.TakeFrame(frame);
                    repeated = new ProviderMessage { Sealed = new SealedFrame { Data = ByteString.CopyFrom(sealer.Seal(frame, isFinal: true)) } };
                    Settlement settlement = new() { SessionId = opened.Header.SessionId, Channel = opened.Header.Channel, DueNanoton = 10 };
                    await link.WriteAsync([new ProviderMessage { Accepted = new Accepted() }, repeated], ct);
                    await link.WriteAsync(new ProviderMessage { Settlement = SignedRecords.SignSettlement(enclave.Identity, settlement) }, ct);
                    continue;
                }

                await link.WriteAsync([new ProviderMessage { Accepted = new Accepted() }, repeated!], ct);
            }
        });
        await using OpenedSession session = await bench.OpenAsync();
        await bench.AskAsync(session);
        Assert.That(session.TryAdvance(), Is.True);
        InferenceException? refused = await Assert.ThrowsAsync<InferenceException>(() => bench.AskAsync(session));
        Assert.That((refused!.Failure, session.TryAdvance()), Is.EqualTo((InferenceFailure.Truncated, false)));
    }

    [Test]
    public async Task Session_AfterAFailedRequestOrWithoutSettlement_ServesNoOther([Values] bool hasSettlement)
    {
        await using SessionBench bench = new(async (link, enclave, ct) =>
        {
            (ClientMessage Message, byte[] Bytes)? request = await link.ReadClientMessageAsync(SessionLink.MaxMessage, ct);
            if (!hasSettlement)
            {
                OpenedRequest opened = enclave.Open(request!.Value.Message.Request);
                using ResponseSealer sealer = opened.Response;
                AnswerWriter writer = new();
                writer.Append(new AnswerEvent { Finished = new Finished { Usage = new Usage(), DueNanoton = 10 } });
                byte[] frame = new byte[ResponseShape.FrameSize];
                writer.TakeFrame(frame);
                await link.WriteAsync(new ProviderMessage { Accepted = new Accepted() }, ct);
                await link.WriteAsync(new ProviderMessage { Sealed = new SealedFrame { Data = ByteString.CopyFrom(sealer.Seal(frame, isFinal: true)) } }, ct);
                await link.Stream.CloseWriteAsync(ct);
                return;
            }

            await link.WriteAsync(Declined(), ct);
        });
        await using OpenedSession session = await bench.OpenAsync();
        if (hasSettlement)
        {
            await Assert.ThrowsAsync<InferenceException>(() => bench.AskAsync(session));
        }
        else
        {
            await bench.AskAsync(session);
        }

        Assert.That(session.TryAdvance(), Is.False);
    }

    [Test]
    public async Task Session_OfVersionOne_ServesNoOther()
    {
        await using SessionBench bench = new(
            async (link, enclave, ct) =>
            {
                (ClientMessage Message, byte[] Bytes)? request = await link.ReadClientMessageAsync(SessionLink.MaxMessage, ct);
                await enclave.AnswerAsync(link, request!.Value.Message.Request, due: 10, ct);
            },
            SessionVersions.One);
        await using OpenedSession session = await bench.OpenAsync();
        await bench.AskAsync(session);
        Assert.That(session.TryAdvance(), Is.False);
    }

    [Test]
    public async Task WarmSessions_TakeTheLastUsedAndCloseTheIdleOnes()
    {
        await using SessionBench bench = new(static (_, _, ct) => new TaskCompletionSource().Task.WaitAsync(ct));
        await using WarmSessions warm = new(bench.Time);
        OpenedSession[] sessions = [await bench.RestingAsync(), await bench.RestingAsync(), await bench.RestingAsync()];
        foreach (OpenedSession session in sessions)
        {
            Assert.That(await warm.ReturnAsync(session, allowOpenTier: true, relays: 0), Is.False, "kept, and for long enough");
        }

        Assert.That(await warm.TakeAsync(bench.Offer, allowOpenTier: false, relays: 0), Is.Null, "for other terms");
        OpenedSession? last = await warm.TakeAsync(bench.Offer, allowOpenTier: true, relays: 0);
        Assert.That(last, Is.SameAs(sessions[2]));
        last!.IsAtRest = true;
        await warm.ReturnAsync(last, allowOpenTier: true, relays: 0);
        await Eventually.TrueAsync(
            "all but one closed",
            () =>
            {
                bench.Time.Advance(TimeSpan.FromSeconds(1));
                return warm.Count == 1;
            },
            Guard,
            CancellationToken.None);
        Assert.That(await warm.TakeAsync(bench.Offer, allowOpenTier: true, relays: 0), Is.SameAs(last));
        await last.DisposeAsync();
    }

    [Test]
    public async Task WarmSessions_WhoseQuoteRunsOut_AreNotUsed()
    {
        await using SessionBench bench = new(static (_, _, ct) => new TaskCompletionSource().Task.WaitAsync(ct));
        await using WarmSessions warm = new(bench.Time);
        OpenedSession session = await bench.RestingAsync();
        DateTimeOffset end = session.UsableUntil;
        await warm.ReturnAsync(session, allowOpenTier: true, relays: 0);
        bench.Time.Advance(end - bench.Time.GetUtcNow() - WarmSessions.Margin);
        Assert.That(await warm.TakeAsync(bench.Offer, allowOpenTier: true, relays: 0), Is.Null);

        OpenedSession ending = await bench.RestingAsync();
        bench.Time.Advance(ending.UsableUntil - bench.Time.GetUtcNow() - (2 * WarmSessions.Margin));
        Assert.That(await warm.ReturnAsync(ending, allowOpenTier: true, relays: 0), Is.True, "another is wanted soon");
    }

    [Test]
    public async Task WarmSessions_OfAPeerOfWhichOneDied_AreForgotten()
    {
        await using SessionBench bench = new(static (_, _, ct) => new TaskCompletionSource().Task.WaitAsync(ct));
        await using WarmSessions warm = new(bench.Time);
        await warm.ReturnAsync(await bench.RestingAsync(), allowOpenTier: true, relays: 0);
        await warm.ReturnAsync(await bench.RestingAsync(), allowOpenTier: true, relays: 0);
        await warm.ForgetAsync(bench.Offer.Peer);
        Assert.That(warm.Count, Is.Zero);
        Assert.That(await warm.TakeAsync(bench.Offer, allowOpenTier: true, relays: 0), Is.Null);
    }

    /// <summary>Requests choose by the tier of an offer, which evidence is held against when a session is opened under it: not when another was.</summary>
    [Test]
    public async Task WarmSessions_OfALowerTierThanTheOfferNowClaims_AreNotUsed()
    {
        await using SessionBench bench = new(static (_, _, ct) => new TaskCompletionSource().Task.WaitAsync(ct));
        await using WarmSessions warm = new(bench.Time);
        OpenedSession open = await bench.RestingAsync();
        Assert.That(open.Enclave.Claims.Tier, Is.EqualTo(Tier.Open));
        await warm.ReturnAsync(open, allowOpenTier: true, relays: 0);
        Assert.That(await warm.TakeAsync(bench.Claiming("cc-cpu"), allowOpenTier: true, relays: 0), Is.Null);
    }

    private static ProviderMessage Declined() => ClientLine.Declined(DeclineReason.DeclineSlots, "full", 0);
}
