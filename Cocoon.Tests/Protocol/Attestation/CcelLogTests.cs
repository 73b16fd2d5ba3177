using System.Security.Cryptography;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.EventLog;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Attestation;

public sealed class CcelLogTests
{
    [Test]
    public void Replay_TwoEventsOfOneRegister_ExtendsInOrder()
    {
        CcelLog log = CcelLog.Parse(EventLogs.Encode((2, EventLogs.Digest(1)), (0, EventLogs.Digest(9)), (2, EventLogs.Digest(2))));
        byte[] expected = SHA384.HashData([.. SHA384.HashData([.. new byte[48], .. EventLogs.Digest(1)]), .. EventLogs.Digest(2)]);
        Assert.That(log.Events, Has.Length.EqualTo(3));
        Assert.That(log.Replay()[1].AsSpan().SequenceEqual(expected));
        Assert.That(log.Replay()[0].AsSpan().SequenceEqual(new byte[48]), "MRTD events extend no RTMR");
    }

    [Test]
    public void Parse_FilledUpWithOnes_EndsThere()
    {
        byte[] log = [.. EventLogs.Encode((1, EventLogs.Digest(1))), .. Enumerable.Repeat((byte)0xFF, 64)];
        Assert.That(CcelLog.Parse(log).Events, Has.Length.EqualTo(1));
    }

    [Test]
    public void Parse_EveryTruncationInsideAnEvent_IsRefused()
    {
        byte[] log = EventLogs.Encode((1, EventLogs.Digest(1)));
        int header = EventLogs.Encode().Length;
        for (int length = 0; length < log.Length; length++)
        {
            if (length != header)
            {
                Assert.That(() => CcelLog.Parse(log.AsSpan(0, length)), Throws.InstanceOf<EvidenceException>(), $"length {length}");
            }
        }
    }

    [Test]
    public void Parse_UnknownRegister_IsRefused() =>
        Assert.That(() => CcelLog.Parse(EventLogs.Encode((5, EventLogs.Digest(1)))), Throws.InstanceOf<EvidenceException>());
}
