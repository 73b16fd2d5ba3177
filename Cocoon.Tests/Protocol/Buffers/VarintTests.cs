using Cocoon.Protocol.Buffers;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Buffers;

public sealed class VarintTests
{
    [TestCase(0UL, "00")]
    [TestCase(1UL, "01")]
    [TestCase(127UL, "7f")]
    [TestCase(128UL, "8001")]
    [TestCase(300UL, "ac02")]
    [TestCase(16384UL, "808001")]
    [TestCase(9223372036854775807UL, "ffffffffffffffff7f")]
    public void Write_Value_IsMinimalAndReadsBack(ulong value, string hex)
    {
        byte[] bytes = new byte[Varint.MaxLength];
        int length = Varint.Write(bytes, value);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Convert.ToHexStringLower(bytes.AsSpan(0, length)), Is.EqualTo(hex));
            Assert.That(Varint.GetLength(value), Is.EqualTo(length));
            Assert.That(Varint.Read(bytes.AsSpan(0, length), out ulong read, out int consumed), Is.EqualTo(VarintStatus.Done));
            Assert.That((read, consumed), Is.EqualTo((value, length)));
        }
    }

    [TestCase("", VarintStatus.NeedMore)]
    [TestCase("80", VarintStatus.NeedMore)]
    [TestCase("8000", VarintStatus.Invalid)]
    [TestCase("ffffffffffffffffff01", VarintStatus.Invalid)]
    [TestCase("ffffffffffffffffff", VarintStatus.Invalid)]
    [TestCase("80808080808080808000", VarintStatus.Invalid)]
    public void Read_NotAWholeLegalVarint_IsTold(string hex, VarintStatus expected) =>
        Assert.That(Varint.Read(Convert.FromHexString(hex), out _, out _), Is.EqualTo(expected));

    [Test]
    public void Write_MoreThan63Bits_Throws() =>
        Assert.That(() => Varint.Write(new byte[16], 1UL << 63), Throws.InstanceOf<ArgumentOutOfRangeException>());

    [Test]
    public void Read_AnyValue_RoundTrips() =>
        Prop.ForAll(ArbMap.Default.ArbFor<long>(), value =>
        {
            ulong unsigned = (ulong)value & long.MaxValue;
            byte[] bytes = new byte[Varint.MaxLength];
            int length = Varint.Write(bytes, unsigned);
            return Varint.Read(bytes.AsSpan(0, length), out ulong read, out int consumed) == VarintStatus.Done && read == unsigned && consumed == length;
        }).QuickCheckThrowOnFailure();
}
