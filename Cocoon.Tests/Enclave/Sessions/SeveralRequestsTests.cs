using Cocoon.Node.Enclaves;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Sessions;

/// <summary>Requests one after the other in one session: each is as if it had one of its own.</summary>
public sealed class SeveralRequestsTests
{
    [Test]
    public async Task Session_ServesOneRequestAfterTheOther_EachWithItsOwnIdSettlementAndReceipt()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession client = await pair.OpenAsync();
        HashSet<string> ids = [];
        HashSet<string> encapsulations = [];
        for (int i = 0; i < 3; i++)
        {
            SealedCall call = client.Seal();
            await client.StartAsync(call);
            EnclaveEvent.Ended ended = await client.FinishAsync();
            Assert.That((ended.Outcome, client.IsComplete), Is.EqualTo(("finished", true)));
            Assert.That(SignedRecords.TryVerifySettlement(client.Enclave.IdentityKey, ended.Settlement, out Settlement? settlement), Is.True);
            Assert.That(SignedRecords.TryVerifyReceipt(client.Enclave.IdentityKey, client.Receipt!, out Receipt? receipt), Is.True);
            Assert.That(settlement!.SessionId.ToByteArray(), Is.EqualTo(client.Enclave.SessionId).And.EqualTo(receipt!.SessionId.ToByteArray()));
            Assert.That(receipt.TotalNanoton, Is.EqualTo(settlement.DueNanoton).And.EqualTo(ended.DueNanoton), "of this request alone");
            Assert.That(ids.Add(Convert.ToHexString(client.Enclave.SessionId)), Is.True);
            Assert.That(encapsulations.Add(Convert.ToHexString(call.Sealed.AsSpan(RequestEnvelope.HeaderSize, 32))), Is.True, "an ephemeral key of its own");
            await client.AdvanceAsync();
        }

        Assert.That(pair.Engine.Requests, Has.Count.EqualTo(3));
    }

    [Test]
    public async Task Request_RepeatedInItsSession_IsRefusedByItsWord()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession client = await pair.OpenAsync(), other = await pair.OpenAsync();
        SealedCall first = client.Seal();
        SealedCall also = other.Seal();
        await client.StartAsync(first);
        await client.FinishAsync();
        await other.StartAsync(also);
        await other.FinishAsync();

        // As it is, it names the request that it was. Made to name the next one, it was sealed with another header.
        await client.AdvanceAsync();
        Assert.That(await RefusalAsync(client, first.Header, first.Sealed), Is.EqualTo("mismatch"));
        await other.AdvanceAsync();
        Assert.That(await RefusalAsync(other, Named(also.Header, other.Enclave.SessionId), also.Sealed), Is.EqualTo("undecryptable"));
        Assert.That(pair.Engine.Requests, Has.Count.EqualTo(2), "the engine saw each once");
    }

    [Test]
    public async Task Request_OutOfItsTurn_IsRefused()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession skipping = await pair.OpenAsync();
        SealedCall third = skipping.Enclave.Following().Following().Seal(Header(), Request(), pair.Model);
        await skipping.StartAsync(skipping.Seal());
        await skipping.FinishAsync();
        await skipping.AdvanceAsync();
        Assert.That(await RefusalAsync(skipping, third.Header, third.Sealed), Is.EqualTo("mismatch"));

        await using ClientSession early = await pair.OpenAsync();
        SealedCall second = early.Enclave.Following().Seal(Header(), Request(), pair.Model);
        Assert.That(await RefusalAsync(early, second.Header, second.Sealed), Is.EqualTo("mismatch"));
        Assert.That(pair.Engine.Requests, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Request_WhileTheOneBeforeRuns_EndsTheSession()
    {
        FakeEngine engine = new() { Step = new SemaphoreSlim(0) };
        await using EnclavePair pair = await EnclavePair.StartAsync(engine: engine);
        await using ClientSession client = await pair.OpenAsync();
        await client.StartAsync(client.Seal());
        SealedCall second = client.Enclave.Following().Seal(Header(), Request(), pair.Model);
        await client.Host.StartAsync(second.Header, second.Sealed, ulong.MaxValue, statementDigest: default, CancellationToken.None);
        Assert.That((await client.UntilAsync<EnclaveEvent.Refused>()).Reason, Is.EqualTo("malformed"));
        Assert.That(engine.Requests, Has.Count.LessThanOrEqualTo(1));
    }

    [Test]
    public async Task Session_OfVersionOne_ServesOneRequest()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession client = await pair.OpenAsync(version: SessionVersions.One);
        Assert.That(client.Enclave.Version, Is.EqualTo(SessionVersions.One));
        await client.StartAsync(client.Seal());
        await client.FinishAsync();
        await client.AdvanceAsync();
        SealedCall second = client.Seal();
        Assert.That(await RefusalAsync(client, second.Header, second.Sealed), Is.EqualTo("malformed"));
    }

    [Test]
    public async Task Voucher_OfARequest_CoversNothingOfTheNext()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession client = await pair.OpenAsync();
        await client.StartAsync(client.Seal());
        EnclaveEvent.Ended first = await client.FinishAsync();

        // The host reports late, and too much: it is of the request that is over.
        await client.Host.ReportVoucherAsync(new byte[32], 1000 * first.DueNanoton, CancellationToken.None);
        await client.AdvanceAsync();
        await client.StartAsync(client.Seal());
        EnclaveEvent.Metered final = await client.UntilAsync<EnclaveEvent.Metered>(m => m.IsFinal);
        Assert.That(client.Receipt, Is.Null, "nothing covers it yet");
        await client.Host.ReportVoucherAsync(new byte[32], final.DueNanoton, CancellationToken.None);
        Assert.That((await client.UntilAsync<EnclaveEvent.Ended>()).DueNanoton, Is.EqualTo(first.DueNanoton));
    }

    [Test]
    public async Task Session_WhoseHostForgetsItBetweenRequests_IsGone()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        ClientSession client = await pair.OpenAsync();
        await client.StartAsync(client.Seal());
        await client.FinishAsync();
        await client.AdvanceAsync();
        SealedCall second = client.Seal();
        await client.DisposeAsync();
        await client.Host.StartAsync(second.Header, second.Sealed, ulong.MaxValue, statementDigest: default, CancellationToken.None);
        await using ClientSession next = await pair.OpenAsync();
        await next.StartAsync(next.Seal());
        await next.FinishAsync();
        Assert.That((pair.Engine.Requests.Count, pair.Connection.Sessions), Is.EqualTo((2, 1)));
    }

    [Test]
    public async Task Enclave_LostBetweenRequests_TellsTheNextOne()
    {
        EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession client = await pair.OpenAsync();
        await client.StartAsync(client.Seal());
        await client.FinishAsync();
        await client.AdvanceAsync();
        SealedCall second = client.Seal();
        await pair.DisposeAsync();
        await client.Host.StartAsync(second.Header, second.Sealed, ulong.MaxValue, statementDigest: default, CancellationToken.None);
        Assert.That(await client.UntilAsync<EnclaveEvent.Lost>(), Is.Not.Null);
    }

    [Test]
    public void RequestId_OfTheFirst_IsTheSessionsAndAllDiffer()
    {
        byte[] session = [.. Enumerable.Range(0, 16).Select(i => (byte)i)];
        byte[][] ids = [.. Enumerable.Range(0, 50).Select(n => SessionTranscript.RequestId(session, (uint)n))];
        Assert.That(ids[0], Is.EqualTo(session));
        Assert.That(ids.Select(Convert.ToHexString), Is.Unique);
        Assert.That(ids, Has.All.Length.EqualTo(SessionTranscript.SessionIdSize));
    }

    private static async Task<string> RefusalAsync(ClientSession session, byte[] header, byte[] sealedRequest)
    {
        await session.Host.StartAsync(header, sealedRequest, ulong.MaxValue, statementDigest: default, CancellationToken.None);
        return (await session.UntilAsync<EnclaveEvent.Refused>()).Reason;
    }

    private static byte[] Named(byte[] header, byte[] id)
    {
        RoutingHeader routing = RoutingHeader.Parser.ParseFrom(header);
        routing.SessionId = ByteString.CopyFrom(id);
        return routing.ToByteArray();
    }

    private static RoutingHeader Header() => new()
    {
        Channel = ByteString.CopyFrom(new byte[32]),
        Shape = Shape.Fast,
        OutputBucket = 1024,
        ExpiresAtMs = (ulong)DateTimeOffset.UtcNow.AddSeconds(50).ToUnixTimeMilliseconds(),
    };

    private static SealedRequest Request() => new()
    {
        Endpoint = SealedRequest.Types.Endpoint.ChatCompletions,
        Body = ByteString.CopyFromUtf8(ClientSession.Body),
    };
}
