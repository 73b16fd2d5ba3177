using Cocoon.Enclave;
using Cocoon.Enclave.Inference;
using Cocoon.Node.Enclaves;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Sessions;

/// <summary>Client ⇄ host ⇄ enclave, all real but the engine, in fast shape and on the system's clock.</summary>
public sealed class EnclaveSessionTests
{
    // 8 fresh and 2 cached prompt tokens, 8 words: 8·1 + 2·0.5 + 8·3.
    private const ulong WholeDue = 33;

    [Test]
    public async Task Fast_WholeAnswer_IsSealedMeteredSettledAndReceipted()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession client = await pair.OpenAsync();
        await client.StartAsync(client.Seal());
        EnclaveEvent.Ended ended = await client.FinishAsync();

        Assert.That(client.Text, Is.EqualTo("word0 word1 word2 word3 word4 word5 word6 word7 "));
        Assert.That(client.IsComplete);
        Assert.That(client.Answers[0].Started.PromptTokens, Is.EqualTo(FakeEngine.PromptTokens));
        Finished finished = client.Answers.Single(a => a.Finished is not null).Finished;
        Assert.That(finished.DueNanoton, Is.EqualTo(WholeDue));
        Assert.That(finished.Choices.Single().FinishReason, Is.EqualTo("stop"));
        Assert.That(client.Answers.Where(a => a.Delta is not null).SelectMany(a => a.Delta.TokenIds), Is.EqualTo(Enumerable.Range(0, 8)));
        ulong[] metered = [.. client.Seen.OfType<EnclaveEvent.Metered>().Select(m => m.DueNanoton)];
        Assert.That(metered, Is.Ordered);
        Assert.That(metered[^1], Is.EqualTo(WholeDue));

        Assert.That((ended.Outcome, ended.DueNanoton), Is.EqualTo(("finished", WholeDue)));
        Assert.That(SignedRecords.TryVerifySettlement(client.Enclave.IdentityKey, ended.Settlement, out Settlement? settlement));
        Assert.That(settlement!.DueNanoton, Is.EqualTo(WholeDue));
        Assert.That(SignedRecords.TryVerifyReceipt(client.Enclave.IdentityKey, client.Receipt!, out Receipt? receipt));
        Assert.That(receipt!.TotalNanoton, Is.EqualTo(WholeDue));
        Assert.That(receipt.Tier, Is.EqualTo("open"));
        Assert.That(receipt.RequestDigest.ToByteArray(), Is.EqualTo(ReceiptDigests.Request(receipt.Salt.Span, System.Text.Encoding.UTF8.GetBytes(ClientSession.Body))));
        Assert.That(receipt.ResponseDigest.ToByteArray(), Is.EqualTo(ReceiptDigests.Response(receipt.Salt.Span, [client.Text])));
        Assert.That(receipt.VoucherDigest.ToByteArray(), Is.EqualTo(new byte[32]));
    }

    [Test]
    public async Task Session_WithFreshEvidence_IsSealedToTheEvidenceMadeForIt()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession usual = await pair.OpenAsync();
        await using ClientSession fresh = await pair.OpenAsync(fresh: true);
        Assert.That(fresh.Enclave.Claims.ReportData, Is.Not.EqualTo(usual.Enclave.Claims.ReportData));
        Assert.That(fresh.Enclave.Claims.IdentityKey, Is.EqualTo(usual.Enclave.Claims.IdentityKey));
        await fresh.StartAsync(fresh.Seal());
        Assert.That((await fresh.FinishAsync()).Outcome, Is.EqualTo("finished"));
        Assert.That(SignedRecords.TryVerifyReceipt(fresh.Enclave.IdentityKey, fresh.Receipt!, out Receipt? receipt));
        Assert.That(receipt!.EvidenceDigest.ToByteArray(), Is.EqualTo(fresh.Enclave.Attestation.EvidenceDigest.ToArray()));
    }

    [Test]
    public async Task Session_InThisTestProcess_IsSealedToAHybridKey()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession client = await pair.OpenAsync();
        Assert.That(client.Enclave.Key.Kem, Is.EqualTo(Cocoon.Protocol.Cryptography.Hpke.XWingKem.KemId));
    }

    [Test]
    public async Task Gate_ShortGrant_ParksAnnouncesAndGoesOn()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession client = await pair.OpenAsync();
        await client.StartAsync(client.Seal(), upToDue: 16);
        EnclaveEvent.Metered blocked = await client.UntilAsync<EnclaveEvent.Metered>(m => m.IsBlocked);
        Assert.That(blocked.DueNanoton, Is.EqualTo(18));
        Delta announced = client.Answers.Last(a => a.Delta is { BlockedDue: > 0 }).Delta;
        Assert.That((announced.DueNanoton, announced.BlockedDue), Is.EqualTo((15UL, 18UL)));
        Assert.That(client.Text, Is.EqualTo("word0 word1 "));
        await client.Host.AllowAsync(WholeDue, CancellationToken.None);
        EnclaveEvent.Ended ended = await client.FinishAsync();
        Assert.That((ended.Outcome, ended.DueNanoton), Is.EqualTo(("finished", WholeDue)));
    }

    [Test]
    public async Task Gate_OneSessionNeverPays_AnotherIsNotHeldUp()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession poor = await pair.OpenAsync();
        await poor.StartAsync(poor.Seal(), upToDue: 0);
        await poor.UntilAsync<EnclaveEvent.Metered>(m => m.IsBlocked);
        await using ClientSession rich = await pair.OpenAsync();
        await rich.StartAsync(rich.Seal());
        Assert.That((await rich.FinishAsync()).Outcome, Is.EqualTo("finished"));
        await poor.Host.CancelAsync(CancellationToken.None);
        EnclaveEvent.Ended ended = await poor.UntilAsync<EnclaveEvent.Ended>();
        Assert.That((ended.Outcome, ended.DueNanoton), Is.EqualTo(("cancelled", 0UL)));
    }

    [Test]
    public async Task Gate_NoMoneyInTime_EndsUnpaid()
    {
        Support.ManualTimeProvider time = new();
        await using EnclavePair pair = await EnclavePair.StartAsync(time);
        await using ClientSession client = await pair.OpenAsync();
        await client.StartAsync(client.Seal(), upToDue: 12);
        await client.UntilAsync<EnclaveEvent.Metered>(m => m.IsBlocked);
        time.Advance(TimeSpan.FromSeconds(10));
        EnclaveEvent.Ended ended = await client.UntilAsync<EnclaveEvent.Ended>();
        Assert.That((ended.Outcome, ended.DueNanoton), Is.EqualTo(("unpaid", 12UL)));
        Assert.That(client.Answers.Single(a => a.Failed is not null).Failed.Code, Is.EqualTo("unpaid"));
        Assert.That(client.IsComplete);
    }

    [Test]
    public async Task Cancel_InTheMiddle_OwesOnlyWhatWasDelivered()
    {
        FakeEngine engine = new() { Step = new SemaphoreSlim(3) };
        await using EnclavePair pair = await EnclavePair.StartAsync(engine: engine);
        await using ClientSession client = await pair.OpenAsync();
        await client.StartAsync(client.Seal());
        await client.UntilAsync<EnclaveEvent.Metered>(m => m.DueNanoton == 18);
        await client.Host.CancelAsync(CancellationToken.None);
        EnclaveEvent.Ended ended = await client.UntilAsync<EnclaveEvent.Ended>();
        Assert.That((ended.Outcome, ended.DueNanoton), Is.EqualTo(("cancelled", 18UL)));
        Assert.That(client.IsComplete);
    }

    [TestCase("""{"messages":[]}""", "messages")]
    [TestCase("""{"messages":[{"role":"user","content":"x"}],"temperature":3}""", "temperature")]
    [TestCase("""{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f"}}]}""", "tools")]
    [TestCase("not json", "")]
    public async Task Request_Malformed_FailsWithTheFieldAndCostsNothing(string body, string param)
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession client = await pair.OpenAsync();
        await client.StartAsync(client.Seal(body: body));
        EnclaveEvent.Ended ended = await client.FinishAsync();
        Failed failed = client.Answers.Single(a => a.Failed is not null).Failed;
        Assert.That((failed.HttpStatus, failed.Param, failed.Type), Is.EqualTo((400U, param, "invalid_request_error")));
        Assert.That((ended.Outcome, ended.DueNanoton), Is.EqualTo(("failed", 0UL)));
    }

    [Test]
    public async Task Engine_FailsInTheMiddle_IsRetryableAndOwesWhatWasDelivered()
    {
        FakeEngine engine = new() { Failure = new EngineException(EngineErrorCode.Internal, "broken") };
        await using EnclavePair pair = await EnclavePair.StartAsync(engine: engine);
        await using ClientSession client = await pair.OpenAsync();
        await client.StartAsync(client.Seal());
        EnclaveEvent.Ended ended = await client.FinishAsync();
        Failed failed = client.Answers.Single(a => a.Failed is not null).Failed;
        Assert.That((failed.HttpStatus, failed.Retryable, failed.DueNanoton), Is.EqualTo((500U, true, 21UL)));
        Assert.That(ended.DueNanoton, Is.EqualTo(21));
    }

    [Test]
    public async Task Engine_ThrowsSomethingElse_SaysNothingOfIt()
    {
        FakeEngine engine = new() { Failure = new FormatException("the prompt was: secret") };
        await using EnclavePair pair = await EnclavePair.StartAsync(engine: engine);
        await using ClientSession client = await pair.OpenAsync();
        await client.StartAsync(client.Seal());
        await client.FinishAsync();
        Assert.That(client.Answers.Single(a => a.Failed is not null).Failed.Message, Does.Not.Contain("secret"));
        Assert.That(pair.Notices.Select(n => n.ToString()), Has.None.Contain("secret"));
    }

    [Test]
    public async Task MaxDue_Reached_EndsByLengthAndStaysBelow()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession client = await pair.OpenAsync();
        await client.StartAsync(client.Seal(maxDue: 20));
        EnclaveEvent.Ended ended = await client.FinishAsync();
        Assert.That((ended.Outcome, ended.DueNanoton), Is.EqualTo(("finished", 18UL)));
        Assert.That(client.Answers.Single(a => a.Finished is not null).Finished.Choices.Single().FinishReason, Is.EqualTo("length"));
    }

    [Test]
    public async Task MaxDue_BelowThePrompt_FailsBeforeAnyWork()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession client = await pair.OpenAsync();
        await client.StartAsync(client.Seal(maxDue: 3));
        EnclaveEvent.Ended ended = await client.FinishAsync();
        Assert.That(ended.DueNanoton, Is.Zero);
        Assert.That(client.Answers.Single(a => a.Failed is not null).Failed.Code, Is.EqualTo("max_due_exceeded"));
    }

    [Test]
    public async Task Start_WithTheRequestOfAnotherSession_IsRefused()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession one = await pair.OpenAsync();
        await using ClientSession two = await pair.OpenAsync();
        SealedCall call = one.Seal();
        await two.StartAsync(call);
        Assert.That((await two.UntilAsync<EnclaveEvent.Refused>()).Reason, Is.EqualTo("mismatch"));
        Assert.That(pair.Engine.Requests, Is.Empty);
    }

    [Test]
    public async Task Start_Tampered_IsRefusedWithoutDetail()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession client = await pair.OpenAsync();
        SealedCall call = client.Seal();
        call.Sealed[^1] ^= 1;
        await client.StartAsync(call);
        Assert.That((await client.UntilAsync<EnclaveEvent.Refused>()).Reason, Is.EqualTo("undecryptable"));
    }

    [Test]
    public async Task Open_TwoSessionsOfOneHello_ShareNothing()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        await using ClientSession one = await pair.OpenAsync();
        await using ClientSession two = await pair.OpenAsync();
        Assert.That(one.Enclave.SessionId, Is.Not.EqualTo(two.Enclave.SessionId));
        Assert.That(one.Enclave.Claims.IdentityKey, Is.EqualTo(two.Enclave.Claims.IdentityKey));
    }

    [Test]
    public async Task TenantSecret_SameOrOther_KeysTheCache()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        byte[][] secrets = [[.. Enumerable.Repeat((byte)1, 32)], [.. Enumerable.Repeat((byte)1, 32)], [.. Enumerable.Repeat((byte)2, 32)], []];
        foreach (byte[] secret in secrets)
        {
            await using ClientSession client = await pair.OpenAsync();
            await client.StartAsync(client.Seal(tenant: secret));
            await client.FinishAsync();
        }

        TenantKey[] keys = [.. pair.Engine.Requests.Select(r => r.Tenant)];
        Assert.That(keys[0], Is.EqualTo(keys[1]));
        Assert.That(keys[2], Is.Not.EqualTo(keys[0]));
        Assert.That(keys[0], Is.Not.EqualTo(new TenantKey(secrets[0])));
        Assert.That(pair.Engine.Requests.Last().Cache, Is.EqualTo(CachePolicy.None));
    }

    [Test]
    public async Task Host_Gone_EndsTheEnclave()
    {
        EnclavePair pair = await EnclavePair.StartAsync();
        await using (ClientSession client = await pair.OpenAsync())
        {
            pair.Engine.Step = new SemaphoreSlim(0);
            await client.StartAsync(client.Seal());
            await client.UntilAsync<EnclaveEvent.Output>();
            await pair.DisposeAsync();
            Assert.That(await pair.Run, Is.EqualTo(EnclaveHost.ExitOk));
            await client.UntilAsync<EnclaveEvent.Lost>();
        }
    }

    [Test]
    public async Task Protection_Missing_MakesNoKeys()
    {
        EnclavePair pair = EnclavePair.Create(null, null, "seccomp");
        await pair.ConfigureAsync();
        Assert.That(await pair.Run.WaitAsync(EnclavePair.Patience), Is.EqualTo(EnclaveHost.ExitUnprotected));
        await pair.DisposeAsync();
        Assert.That(pair.Connection.Fault, Does.Contain("seccomp"));
        Assert.That(pair.Connection.Ready.IsFaulted);
    }
}
