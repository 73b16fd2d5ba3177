using Cocoon.Enclave.Sessions;
using Cocoon.Node.Enclaves;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.Enclave.Attestation;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Sessions;

/// <summary>An enclave on a machine whose firmware sometimes gives no evidence: busy, broken, or a driver that was loaded again.</summary>
/// <remarks>Firmware that is slow holds threads of the pool; nothing runs beside it.</remarks>
[NonParallelizable]
public sealed class HardwareEvidenceTests
{
    private volatile bool _isBroken;

    [Test]
    public async Task Firmware_GivesNothingForAWhile_KeysRotateAndTheEvidenceFollows()
    {
        ManualTimeProvider time = new();
        await using EnclavePair pair = await EnclavePair.StartAsync(time, reports: Reports());
        Assert.That((pair.Ready.EvidenceKind, pair.Ready.Tier), Is.EqualTo(("tdx", "cc-cpu")));
        _isBroken = true;
        for (ulong epoch = 2; epoch <= 14; epoch++)
        {
            // Past the first one that fails at twelve hours.
            Assert.That((await RotateAsync(pair, time, epoch)).EvidenceBundle, Is.Empty, $"epoch {epoch}");
        }

        _isBroken = false;
        Assert.That((await RotateAsync(pair, time, 15)).EvidenceBundle, Is.Not.Empty);
        Assert.That(pair.Notices.Where(n => n.Log is not null).Select(n => n.Log.Message), Has.Some.Contain("no fresh evidence"));
    }

    [Test]
    public async Task Firmware_GivesNothing_AHelloThatAsksForFreshEvidenceIsRefusedByItsWord()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync(reports: Reports());
        Hello hello = new()
        {
            Nonce = ByteString.CopyFrom(new byte[32]), Versions = { 1 }, ModelId = ByteString.CopyFrom(pair.Model.ToArray()), FreshEvidence = true,
        };
        SignedQuote quote = new() { Quote = new Quote { HelloNonce = hello.Nonce, Prices = new Prices(), UnitTokens = 64 }.ToByteString() };
        _isBroken = true;
        Task<IEnclaveSession> Open() => pair.Connection.OpenAsync(hello.ToByteArray(), quote, CancellationToken.None).WaitAsync(EnclavePair.Patience);
        Assert.That(async () => await Open(), Throws.InstanceOf<EnclaveException>().With.Message.EndsWith(": " + SessionReasons.Evidence));
        _isBroken = false;
        await using IEnclaveSession session = await Open();
        Assert.That(session.Welcome.Body, Is.Not.Empty);
    }

    [Test]
    public async Task Firmware_IsSlow_MoreThanItsLimitOfFreshEvidenceIsBusy()
    {
        using SemaphoreSlim ready = new(1);
        await using EnclavePair pair = await EnclavePair.StartAsync(reports: new MemoryTsmReports("tdx_guest", data =>
        {
            ready.Wait();
            return [.. new byte[1000], .. data];
        }));
        Hello hello = new()
        {
            Nonce = ByteString.CopyFrom(new byte[32]), Versions = { 1 }, ModelId = ByteString.CopyFrom(pair.Model.ToArray()), FreshEvidence = true,
        };
        SignedQuote quote = new() { Quote = new Quote { HelloNonce = hello.Nonce, Prices = new Prices(), UnitTokens = 64 }.ToByteString() };
        Task<IEnclaveSession>[] waiting =
            [.. Enumerable.Range(0, SessionTable.MaxFreshEvidence).Select(_ => pair.Connection.OpenAsync(hello.ToByteArray(), quote, CancellationToken.None))];
        Assert.That(
            async () => await pair.Connection.OpenAsync(hello.ToByteArray(), quote, CancellationToken.None).WaitAsync(EnclavePair.Patience),
            Throws.InstanceOf<EnclaveException>().With.Message.EndsWith(": " + SessionReasons.Busy));
        ready.Release(SessionTable.MaxFreshEvidence);
        foreach (IEnclaveSession session in await Task.WhenAll(waiting).WaitAsync(EnclavePair.Patience))
        {
            await session.DisposeAsync();
        }
    }

    /// <summary>A library does what the process can do, and the host can name another folder of them: what was measured is the program's own.</summary>
    [TestCase("elsewhere", "", false)]
    [TestCase("elsewhere", "tdx", false)]
    [TestCase("natives-of-mine", "auto", false)]
    [TestCase("elsewhere", "simulated", true)]
    [TestCase("natives/b8816/linux-x64", "tdx", true)]
    public async Task Libraries_OfTheHostsChoice_AreNotLoadedWhereHardwareWouldVouchForThem(string folder, string evidence, bool loaded)
    {
        await using EnclavePair pair = EnclavePair.CreateOn(Reports());
        await pair.ConfigureAsync(configure => new Configure(configure) { NativesPath = Path.Combine(AppContext.BaseDirectory, folder), Evidence = evidence });
        if (loaded)
        {
            Assert.That((await pair.Connection.Ready.WaitAsync(EnclavePair.Patience)).EvidenceKind, Is.EqualTo(evidence));
            return;
        }

        Assert.That(await pair.Run.WaitAsync(EnclavePair.Patience), Is.EqualTo(Cocoon.Enclave.EnclaveHost.ExitUnprotected));
        await Eventually.TrueAsync(
            "it says why", () => pair.Connection.Fault?.Contains("not this program's own", StringComparison.Ordinal) == true, EnclavePair.Patience, CancellationToken.None);
    }

    private MemoryTsmReports Reports() => new("tdx_guest", data => _isBroken ? throw new IOException("firmware") : [.. new byte[1000], .. data]);

    private static async Task<KeysRotated> RotateAsync(EnclavePair pair, ManualTimeProvider time, ulong epoch)
    {
        // The enclave looks at the clock every two seconds of it.
        time.Advance(TimeSpan.FromHours(1) + TimeSpan.FromSeconds(2));
        return await Eventually.GetAsync(
            $"epoch {epoch} begins",
            () => Task.FromResult(pair.Notices.Select(n => n.KeysRotated).FirstOrDefault(k => k?.KeyEpoch == epoch)),
            EnclavePair.Patience,
            CancellationToken.None);
    }
}
