using Cocoon.Protocol.Libp2p;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

public sealed class LengthPrefixedTests
{
    [TestCase(0)]
    [TestCase(1)]
    [TestCase(127)]
    [TestCase(128)]
    [TestCase(4096)]
    [TestCase(100_000)]
    public async Task Write_Message_ReadsBackWithoutTheNextByte(int size)
    {
        byte[] message = new byte[size];
        new Random(size).NextBytes(message);
        ScriptedStream sink = new([]);
        await LengthPrefixed.WriteAsync(sink, message, CancellationToken.None);
        ScriptedStream source = new([.. sink.Written.ToArray(), 0xff], chunk: 1000);
        byte[]? read = await LengthPrefixed.ReadAsync(source, size, CancellationToken.None);
        Assert.That(read, Is.EqualTo(message));
        Assert.That(source.Unread, Is.EqualTo(1));
    }

    [Test]
    public async Task Read_AtTheEnd_IsNull() =>
        Assert.That(await LengthPrefixed.ReadAsync(new ScriptedStream([]), 10, CancellationToken.None), Is.Null);

    [TestCase("0b0102", Libp2pErrorCode.BadLength)]
    [TestCase("8000", Libp2pErrorCode.BadLength)]
    [TestCase("ffffffffffffffffff01", Libp2pErrorCode.BadLength)]
    [TestCase("80", Libp2pErrorCode.UnexpectedEnd)]
    [TestCase("0501", Libp2pErrorCode.UnexpectedEnd)]
    public void Read_BadLengthOrCut_IsAProtocolError(string hex, Libp2pErrorCode code) =>
        Assert.That(
            async () => await LengthPrefixed.ReadAsync(new ScriptedStream(Convert.FromHexString(hex)), 10, CancellationToken.None),
            Throws.InstanceOf<Libp2pException>().With.Property(nameof(Libp2pException.Code)).EqualTo(code));

    [Test]
    public void Read_AnnouncedButNotSent_AllocatesLittle()
    {
        // A length of one gibibyte with nothing behind it, a hundred times.
        byte[] input = [0x80, 0x80, 0x80, 0x80, 0x04];
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            Assert.That(
                () => LengthPrefixed.ReadAsync(new ScriptedStream(input), int.MaxValue, CancellationToken.None).AsTask().GetAwaiter().GetResult(),
                Throws.InstanceOf<Libp2pException>());
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(16 * 1024 * 1024));
    }
}
