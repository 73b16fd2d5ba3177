using System.Buffers;
using Cocoon.Protocol.Buffers;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Buffers;

public sealed class PooledBufferWriterTests
{
    [Test]
    public void Write_OfAnyPieces_IsTheirConcatenation() => Prop.ForAll<byte[][]>(pieces =>
    {
        using PooledBufferWriter writer = new();
        foreach (byte[] piece in pieces)
        {
            writer.Write(piece);
        }

        byte[] expected = [.. pieces.SelectMany(piece => piece)];
        return writer.WrittenSpan.SequenceEqual(expected) && writer.WrittenMemory.Span.SequenceEqual(expected) && writer.WrittenCount == expected.Length;
    }).QuickCheckThrowOnFailure();

    [Test]
    public void Write_BeyondTheFirstArray_KeepsWhatIsThere()
    {
        using PooledBufferWriter writer = new();
        byte[] data = [.. Enumerable.Range(0, 100_000).Select(i => (byte)i)];
        foreach (byte[] piece in data.Chunk(777))
        {
            writer.Write(piece);
        }

        Assert.That(writer.WrittenSpan.SequenceEqual(data));
    }

    [Test]
    public void Release_Forgets_AndTheWriterGoesOn()
    {
        using PooledBufferWriter writer = new();
        writer.Write("first"u8);
        writer.Release();
        Assert.That(writer.WrittenCount, Is.Zero);
        writer.Write("second"u8);
        Assert.That(writer.WrittenSpan.ToArray(), Is.EqualTo("second"u8.ToArray()));
        writer.Clear();
        Assert.That(writer.WrittenCount, Is.Zero);
    }

    [Test]
    public void Advance_BeyondTheArray_IsRefused()
    {
        using PooledBufferWriter writer = new();
        int free = writer.GetSpan(1).Length;
        Assert.That(() => writer.Advance(free + 1), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => writer.Advance(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
    }
}
