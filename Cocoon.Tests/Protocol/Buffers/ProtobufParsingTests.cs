using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Relay.Proto;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Buffers;

public sealed class ProtobufParsingTests
{
    /// <summary>Found by fuzzing: the first took 977 MB of memory for its 77 bytes, the second 219 MB for 71.</summary>
    [TestCase("08021affffffff071208047f000001060fa1320f08c0a90710ffffff8ede19198a0545ade3082ab386eff20faaaca5d2b356f9809004e1f84e71c7a7c9dc5183ea1eb49effffffffffff012864")]
    [TestCase("080012ffffffff072815da3ceeb1ba68f3365be83ceebafe2359f60992f5c90a2600240801122079b556ae8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664")]
    public void Parse_LengthThatTheMessageDoesNotHave_IsMalformedAndCostsNothing(string hex)
    {
        byte[] bytes = Convert.FromHexString(hex);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<Libp2pException>(() => LengthPrefixed.Parse(HopMessage.Parser, bytes));
        Assert.Throws<Libp2pException>(() => LengthPrefixed.Parse(StopMessage.Parser, bytes));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
    }

    [Test]
    public void ParseBounded_WholeMessages_AreParsed()
    {
        HopMessage message = new() { Type = HopMessage.Types.Type.Reserve, Reservation = new() { Expire = 7, Addrs = { ByteString.CopyFromUtf8("a") } } };
        Assert.That(HopMessage.Parser.ParseBounded(message.ToByteArray()), Is.EqualTo(message));
        Assert.That(HopMessage.Parser.ParseBounded([]), Is.EqualTo(new HopMessage()));
    }

    /// <summary>Parsing does not look for them.</summary>
    [Test]
    public void Messages_OfAllProtocols_HaveNoRequiredFields()
    {
        MessageDescriptor[] messages = [.. typeof(ProtobufParsing).Assembly.GetTypes()
            .Where(t => t is { IsAbstract: false, ContainsGenericParameters: false } && t.IsAssignableTo(typeof(IMessage)))
            .Select(t => ((IMessage)Activator.CreateInstance(t, nonPublic: true)!).Descriptor)];
        Assert.That(messages, Is.Not.Empty);
        Assert.That(messages.SelectMany(m => m.Fields.InDeclarationOrder()).Where(f => f.IsRequired).Select(f => f.FullName), Is.Empty);
    }
}
