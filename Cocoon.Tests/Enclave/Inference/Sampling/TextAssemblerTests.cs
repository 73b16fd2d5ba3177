using System.Collections.Immutable;
using System.Text;
using Cocoon.Enclave.Inference.Sampling;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference.Sampling;

public sealed class TextAssemblerTests
{
    [Test]
    public void Push_RandomPieces_GivesTheTextBeforeTheFirstStop()
    {
        Random random = new(3);
        for (int round = 0; round < 3000; round++)
        {
            string text = Word(random, random.Next(0, 40));
            ImmutableArray<string> stops = [.. Enumerable.Range(0, random.Next(0, 4)).Select(_ => Word(random, random.Next(1, 6)))];
            TextAssembler assembler = new(stops);
            StringBuilder shown = new();
            for (int at = 0; at < text.Length && assembler.MatchedStop is null;)
            {
                int length = Math.Min(random.Next(1, 5), text.Length - at);
                shown.Append(Encoding.UTF8.GetString(assembler.Push(Encoding.UTF8.GetBytes(text.Substring(at, length)))));
                at += length;
            }

            if (assembler.MatchedStop is null)
            {
                shown.Append(Encoding.UTF8.GetString(assembler.Flush()));
            }

            (string expected, string? stop) = Naive(text, stops);
            Assert.That(shown.ToString(), Is.EqualTo(expected));
            Assert.That(assembler.MatchedStop, Is.EqualTo(stop));
        }

        static string Word(Random random, int length) => string.Concat(Enumerable.Range(0, length).Select(_ => "ab"[random.Next(2)]));

        // The stop that ends first wins; the longest of those that end together.
        static (string, string?) Naive(string text, ImmutableArray<string> stops)
        {
            for (int end = 1; end <= text.Length; end++)
            {
                if (stops.Where(s => text.AsSpan(0, end).EndsWith(s)).MaxBy(s => s.Length) is { } stop)
                {
                    return (text[..(end - stop.Length)], stop);
                }
            }

            return (text, null);
        }
    }

    [Test]
    public void Push_ByteByByte_NeverCutsACharacter()
    {
        const string text = "Zürich 世界 😀 e\u0301 \u00ff end";
        TextAssembler assembler = new(["世X"]);
        StringBuilder shown = new();
        foreach (byte b in Encoding.UTF8.GetBytes(text))
        {
            string delta = Encoding.UTF8.GetString(assembler.Push([b]));
            Assert.That(delta, Does.Not.Contain('\uFFFD'));
            shown.Append(delta);
        }

        shown.Append(Encoding.UTF8.GetString(assembler.Flush()));
        Assert.That(shown.ToString(), Is.EqualTo(text));
    }

    [Test]
    public void Flush_UnfinishedCharacter_BecomesOneReplacement()
    {
        TextAssembler assembler = new([]);
        Assert.That(assembler.Push([(byte)'a', 0xE4, 0xB8]).ToArray(), Is.EqualTo("a"u8.ToArray()));
        Assert.That(Encoding.UTF8.GetString(assembler.Flush()), Is.EqualTo("\uFFFD"));
    }

    [Test]
    public void Push_BytesThatNoCharacterBeginsWith_AreNotHeldBack()
    {
        TextAssembler assembler = new([]);
        Assert.That(assembler.Push([0xFF]).Length, Is.EqualTo(1));
        Assert.That(assembler.Push([0x80, 0x80]).Length, Is.EqualTo(2));
        Assert.That(assembler.Push([0xE4, (byte)'x']).Length, Is.EqualTo(2));
    }
}
