using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Sessions;

public sealed class RequestPaddingTests
{
    [TestCase(0, 1024)]
    [TestCase(1020, 1024)]
    [TestCase(1021, 2048)]
    [TestCase(65_532, 65_536)]
    [TestCase(65_533, 67_584)]
    [TestCase(200_000, 200_704)]
    public void PaddedLength_OfBody_IsItsBucket(int body, int padded) => Assert.That(RequestPadding.PaddedLength(body), Is.EqualTo(padded));

    [Test]
    public void PaddedLength_AboveTheBuckets_WastesAtMostTwelvePercent()
    {
        for (int length = 65_536; length < RequestPadding.MaxBody; length += 977)
        {
            Assert.That(RequestPadding.PaddedLength(length), Is.InRange(length + 4, (int)((length + 4) * 1.12)));
        }
    }

    [Test]
    public void Unpad_OfPad_IsTheBody() =>
        Prop.ForAll((byte[] body) => RequestPadding.Unpad(RequestPadding.Pad(body)).ToArray().SequenceEqual(body)).QuickCheckThrowOnFailure();

    [Test]
    public void Unpad_OtherPadding_IsMalformed()
    {
        byte[] padded = RequestPadding.Pad(new byte[100]);
        padded[^1] = 1;
        Assert.That(() => RequestPadding.Unpad(padded), Throws.InstanceOf<SessionException>());
        Assert.That(() => RequestPadding.Unpad(new byte[4096]), Throws.InstanceOf<SessionException>());
        Assert.That(() => RequestPadding.Pad(new byte[RequestPadding.MaxBody + 1]), Throws.InstanceOf<SessionException>());
    }

    [Test]
    public void Due_OverCumulativeCounts_IsTheCeilingOfTheSum()
    {
        Prices prices = new() { Prompt = 10, Cached = 1, Completion = 30 };
        Assert.That(Metering.Due(prices, new TokenCounts(0, 0, 0)), Is.Zero);
        Assert.That(Metering.Due(prices, new TokenCounts(1, 0, 0)), Is.EqualTo(1));
        Assert.That(Metering.Due(prices, new TokenCounts(100_000, 50_000, 100_000)), Is.EqualTo(4));
        Prices huge = new() { Prompt = ulong.MaxValue, Cached = ulong.MaxValue, Completion = ulong.MaxValue };
        Assert.That(Metering.Due(huge, new TokenCounts(uint.MaxValue, 0, uint.MaxValue)), Is.EqualTo(ulong.MaxValue));
    }

    [Test]
    public void RoundUp_OfCounts_IsByUnitPerClass() =>
        Assert.That(new TokenCounts(100, 36, 1).RoundUp(64), Is.EqualTo(new TokenCounts(128, 64, 64)));
}
