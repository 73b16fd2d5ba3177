using System.Text;
using System.Text.Json;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Multistream;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

public sealed class MultistreamSelectTests
{
    [Test]
    public void Encode_GoldenMessages_Match()
    {
        JsonElement golden = GoldenVectors.Libp2p.GetProperty("multistream");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(MultistreamSelect.Encode(MultistreamSelect.Header), Is.EqualTo(golden.Hex("hello")));
            Assert.That(MultistreamSelect.Encode("/noise"), Is.EqualTo(golden.Hex("noise")));
            Assert.That(MultistreamSelect.Encode("na"), Is.EqualTo(golden.Hex("na")));
            Assert.That(MultistreamSelect.EncodeProposal("/noise"), Is.EqualTo((byte[])[.. golden.Hex("hello"), .. golden.Hex("noise")]));
        }
    }

    [TestCase(1)]
    [TestCase(7)]
    [TestCase(int.MaxValue)]
    public async Task Listen_SecondProposalSupported_AnswersLineByLineAndReadsNoByteMore(int chunk)
    {
        byte[] input = [.. MultistreamSelect.EncodeProposal("/a"), .. MultistreamSelect.Encode("ls"), .. MultistreamSelect.Encode("/b"), 1, 2, 3];
        ScriptedStream stream = new(input, chunk);
        string protocol = await MultistreamSelect.ListenAsync(stream, candidate => candidate == "/b", CancellationToken.None);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(protocol, Is.EqualTo("/b"));
            Assert.That(stream.Unread, Is.EqualTo(3));
            Assert.That(
                Encoding.UTF8.GetString(stream.Written.ToArray()), Is.EqualTo("\u0013/multistream/1.0.0\n\u0003na\n\u0003na\n\u0003/b\n"));
        }
    }

    [Test]
    public async Task Dial_FirstRefused_TakesTheSecond()
    {
        ScriptedStream stream = new([.. MultistreamSelect.EncodeProposal("na"), .. MultistreamSelect.Encode("/b"), 9]);
        string protocol = await MultistreamSelect.DialAsync(stream, ["/a", "/b"], CancellationToken.None);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(protocol, Is.EqualTo("/b"));
            Assert.That(stream.Unread, Is.EqualTo(1));
        }
    }

    [Test]
    public void Dial_AllRefused_SaysNotSupported() =>
        Assert.That(
            async () => await MultistreamSelect.DialAsync(new ScriptedStream(MultistreamSelect.EncodeProposal("na")), ["/a"], CancellationToken.None),
            Code(Libp2pErrorCode.ProtocolNotSupported));

    [Test]
    public void Dial_OtherProtocolAnswered_IsMalformed() =>
        Assert.That(
            async () => await MultistreamSelect.DialAsync(new ScriptedStream(MultistreamSelect.EncodeProposal("/c")), ["/a"], CancellationToken.None),
            Code(Libp2pErrorCode.Malformed));

    [Test]
    public void Listen_OneProposalTooMany_GivesUp()
    {
        byte[] input = [.. MultistreamSelect.Encode(MultistreamSelect.Header)];
        for (int i = 0; i <= MultistreamSelect.MaxProposals; i++)
        {
            input = [.. input, .. MultistreamSelect.Encode($"/p{i}")];
        }

        Assert.That(
            async () => await MultistreamSelect.ListenAsync(new ScriptedStream(input), candidate => candidate == $"/p{MultistreamSelect.MaxProposals}", CancellationToken.None),
            Code(Libp2pErrorCode.ProtocolNotSupported));
    }

    [TestCase(MultistreamSelect.MaxMessageLength - 1, Libp2pErrorCode.UnexpectedEnd)]
    [TestCase(MultistreamSelect.MaxMessageLength, Libp2pErrorCode.BadLength)]
    public void Listen_LongestMessage_IsBounded(int textLength, Libp2pErrorCode expected)
    {
        byte[] input = [.. MultistreamSelect.EncodeProposal(new string('x', textLength))];
        Assert.That(async () => await MultistreamSelect.ListenAsync(new ScriptedStream(input), _ => false, CancellationToken.None), Code(expected));
    }

    [TestCase("132f6d756c746973747265616d2f322e302e300a")]
    [TestCase("132f6d756c746973747265616d2f312e302e3021")]
    [TestCase("00")]
    [TestCase("474554202f20485454502f312e310d0a")]
    public void Listen_SomethingElse_IsAProtocolError(string hex) =>
        Assert.That(
            async () => await MultistreamSelect.ListenAsync(new ScriptedStream(Convert.FromHexString(hex)), _ => true, CancellationToken.None),
            Throws.InstanceOf<Libp2pException>());

    private static NUnit.Framework.Constraints.EqualConstraint<Libp2pErrorCode> Code(Libp2pErrorCode code) =>
        Throws.InstanceOf<Libp2pException>().With.Property(nameof(Libp2pException.Code)).EqualTo(code);
}
