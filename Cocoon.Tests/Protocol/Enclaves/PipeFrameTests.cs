using Cocoon.Protocol.Enclaves;
using Cocoon.Protocol.Enclaves.Proto;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Enclaves;

public sealed class PipeFrameTests
{
    [Test]
    public void Encode_AllowFrame_HasTheDocumentedBytes()
    {
        PipeFrameCodec.Encode(new HostFrame { Allow = new Allow { Handle = 1, UpToDue = 2 } }, out ReadOnlyMemory<byte> frame);
        Assert.That(Convert.ToHexStringLower(frame.Span), Is.EqualTo("00000005" + "04" + "08011002"));
    }

    [Test]
    public async Task Reader_EveryFrameType_ComesBackAsItWas()
    {
        EnclaveFrame[] frames =
        [
            new() { Protections = new Protections() },
            new() { Output = new Output { Handle = 7, Sealed = ByteString.CopyFrom(new byte[100_000]) } },
            new() { Load = new Load { Active = 3 } },
            new() { Metered = new Metered { Handle = 1, Final = true } },
        ];
        MemoryStream stream = new();
        using PipeFrameWriter writer = new(stream);
        foreach (EnclaveFrame frame in frames)
        {
            await writer.WriteAsync(frame, CancellationToken.None);
        }

        stream.Position = 0;
        PipeFrameReader<EnclaveFrame> reader = new(stream, EnclaveFrame.Parser);
        foreach (EnclaveFrame frame in frames)
        {
            Assert.That(await reader.ReadAsync(CancellationToken.None), Is.EqualTo(frame));
        }

        Assert.That(await reader.ReadAsync(CancellationToken.None), Is.Null);
    }

    [TestCase("00000000", nameof(PipeErrorCode.FrameSize))]
    [TestCase("01000001", nameof(PipeErrorCode.FrameSize))]
    [TestCase("ffffffff", nameof(PipeErrorCode.FrameSize))]
    [TestCase("0000", nameof(PipeErrorCode.Truncated))]
    [TestCase("0000000504", nameof(PipeErrorCode.Truncated))]
    [TestCase("0000000141", nameof(PipeErrorCode.UnknownType))]
    [TestCase("0000000100", nameof(PipeErrorCode.Malformed))]
    [TestCase("0000000204ff", nameof(PipeErrorCode.Malformed))]
    public async Task Reader_BrokenFrame_NamesTheCode(string bytes, string code)
    {
        PipeFrameReader<HostFrame> reader = new(new MemoryStream(Convert.FromHexString(bytes)), HostFrame.Parser);
        PipeException error = (await Assert.ThrowsAsync<PipeException>(async () => await reader.ReadAsync(CancellationToken.None)))!;
        Assert.That(error.Code.ToString(), Is.EqualTo(code));
    }
}
