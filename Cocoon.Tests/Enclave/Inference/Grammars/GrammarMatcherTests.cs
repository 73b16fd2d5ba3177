using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.Grammars;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference.Grammars;

/// <summary>Texts followed through grammars, such too that can be read in very many ways.</summary>
public sealed class GrammarMatcherTests
{
    [Test]
    public void Follow_RandomPatterns_AgreesWithRegularExpressions()
    {
        for (int seed = 0; seed < 400; seed++)
        {
            Random random = new(seed);
            string pattern = $"^(?:{Pattern(random, 3)})$";
            string schema = JsonSerializer.Serialize(new { type = "string", pattern });
            string gbnf = JsonSchemaGrammar.Compile(JsonDocument.Parse(schema).RootElement);
            for (int i = 0; i < 30; i++)
            {
                string text = new([.. Enumerable.Range(0, random.Next(8)).Select(_ => "abc"[random.Next(3)])]);
                Assert.That(Accepts(gbnf, $"\"{text}\""), Is.EqualTo(Regex.IsMatch(text, pattern)), $"seed {seed}: {pattern} on {text}");
            }
        }
    }

    /// <summary>What doubles with each character, or grows with its cube, where every way has a stack of its own.</summary>
    private static IEnumerable<TestCaseData> Ambiguous()
    {
        yield return Of("lists of two kinds that are one", """{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"type":"array","items":{"$ref":"#/$defs/a"}},{"type":"array","items":{"$ref":"#/$defs/a"},"maxItems":9}]}}}""", new string('[', 300) + new string(']', 300));
        yield return Of("choices of choices", Doubling(30), "\"x\"");
        yield return Of("letters that may be missing", Text("^(.?.?.?.?){100}$"), Quoted(399));
        yield return Of("repetitions within repetitions", Text("^((.?){30}){30}$"), Quoted(600));
        yield return Of("counts side by side", Text("^a{0,1000}a{0,1000}a{0,1000}$"), Quoted(3000));
        yield return Of("counted counts", Text("^(a{0,40}){0,40}$"), Quoted(1600));
        yield return Of("stars within stars", Text("^(((a*)*)*)*$"), Quoted(3000));
        yield return Of("a thousand equal forms", $$"""{"anyOf":[{{string.Join(',', Enumerable.Repeat("""{"type":"array","items":{"type":"string"}}""", 1000))}}]}""", "[\"a\",\"b\"]");
        yield return Of("many values of one beginning", $$"""{"enum":[{{string.Join(',', Enumerable.Range(0, 9000).Select(i => $"\"{new string('x', 10)}{i}\""))}}]}""", "\"xxxxxxxxxx8999\"");
        yield return Of("a form that is itself or nothing", """{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}]}}}""", "null");

        static TestCaseData Of(string name, string schema, string text) => new(schema, text) { TestName = $"Follow_Ambiguous_{name.Replace(' ', '_')}" };
        static string Text(string pattern) => JsonSerializer.Serialize(new { type = "string", pattern });
        static string Quoted(int length) => $"\"{new string('a', length)}\"";
    }

    [TestCaseSource(nameof(Ambiguous))]
    public void Follow_GrammarOfManyReadings_TakesNoLongerForIt(string schema, string text)
    {
        string gbnf = JsonSchemaGrammar.Compile(JsonDocument.Parse(schema).RootElement);
        Assert.That(Accepts(gbnf, text), Is.True);
        Assert.That(Accepts(gbnf, text + "x"), Is.False);
    }

    [Test]
    public void Follow_MoreReadingsThanTheBound_IsTheClientsError()
    {
        GrammarProgram atOnce = GrammarProgram.Compile("root ::= ((\"a\"?){1000}){1000}\n");
        Assert.That(() => new GrammarMatcher(atOnce), Throws.TypeOf<EngineException>().With.Property("Code").EqualTo(EngineErrorCode.InvalidRequest));

        GrammarMatcher matcher = new(GrammarProgram.Compile("root ::= (\"a\"{1,500}){1,500}\n"));
        EngineException? error = null;
        for (int i = 0; i < 10_000 && error is null; i++)
        {
            try
            {
                matcher.Take(matcher.Try("aaaa"u8) ?? throw new AssertionException("it fits"));
            }
            catch (EngineException e)
            {
                error = e;
            }
        }

        Assert.That(error?.Code, Is.EqualTo(EngineErrorCode.InvalidRequest));
    }

    [Test]
    public void Try_CharacterInPieces_FitsOnlyWhereItMayEndAsOneOfTheSet()
    {
        GrammarProgram program = GrammarProgram.Compile("root ::= [\\u00e0-\\u00e9\\u4e00-\\u4eff\\U0001F600-\\U0001F64F]+\n");
        foreach ((string text, bool fits) in new[] { ("é", true), ("ê", false), ("中", true), ("佀", false), ("😀", true), ("🙏", true), ("🚀", false) })
        {
            GrammarMatcher matcher = new(program);
            bool isTaken = true;
            foreach (byte part in Encoding.UTF8.GetBytes(text))
            {
                isTaken = isTaken && matcher.Try([part]) is { } position && Taken(matcher, position);
            }

            Assert.That(isTaken && matcher.IsComplete, Is.EqualTo(fits), text);
        }

        GrammarMatcher begun = new(program);
        Assert.That(begun.Try([0xC3]), Is.Not.Null);
        Assert.That(begun.Try([0xC4]), Is.Null, "no character of the set begins so");
        Assert.That(begun.Try([0xF0, 0x9F, 0x9A]), Is.Null, "nor goes on so");
        Taken(begun, begun.Try([0xF0, 0x9F])!);
        Assert.That(begun.IsComplete, Is.False);
        begun.BeginMany(2);
        Assert.That(begun.Fits([0x98, 0x80, 0xC3]), Is.True);
        Assert.That(begun.Fits([0x9A, 0x80]), Is.False);
        begun.EndMany();
    }

    /// <summary>The largest vocabularies have 256,000 tokens.</summary>
    [Test]
    public void Fits_LargestVocabularyInsideAString_IsWithinTheBound()
    {
        GrammarMatcher matcher = new(GrammarProgram.Compile(JsonSchemaGrammar.AnyObject()));
        matcher.Take(matcher.Try("{\"a\": [{\"b\": \"x"u8)!);
        Random random = new(1);
        int fitting = 0;
        matcher.BeginMany(256_000);
        for (int i = 0; i < 256_000; i++)
        {
            fitting += matcher.Fits(Encoding.ASCII.GetBytes([.. Enumerable.Range(0, random.Next(3, 9)).Select(_ => (char)('a' + random.Next(26)))])) ? 1 : 0;
        }

        matcher.EndMany();
        Assert.That(fitting, Is.EqualTo(256_000));
    }

    [TestCase("root ::= \"a\" (\"b\"")]
    [TestCase("root ::= [a-")]
    [TestCase("root ::= \"a\"{3,2}")]
    [TestCase("root ::= \"\\q\"")]
    [TestCase("root = \"a\"")]
    [TestCase("root ::= missing")]
    [TestCase("start ::= \"a\"")]
    public void Compile_MalformedGrammar_IsRefused(string gbnf) => Assert.That(() => GrammarProgram.Compile(gbnf), Throws.TypeOf<GrammarException>());

    /// <summary>Whether a text fits and may end there; given in pieces of one to three bytes, which may end within a character.</summary>
    internal static bool Accepts(string gbnf, string text)
    {
        GrammarMatcher matcher = new(GrammarProgram.Compile(gbnf));
        ReadOnlySpan<byte> rest = Encoding.UTF8.GetBytes(text);
        for (int i = 0; !rest.IsEmpty; i++)
        {
            int length = Math.Min(rest.Length, 1 + (i % 3));
            if (matcher.Try(rest[..length]) is not { } position)
            {
                return false;
            }

            matcher.Take(position);
            rest = rest[length..];
        }

        return matcher.IsComplete;
    }

    private static bool Taken(GrammarMatcher matcher, GrammarMatcher.Position position)
    {
        matcher.Take(position);
        return true;
    }

    private static string Doubling(int depth) => JsonSerializer.Serialize(new Dictionary<string, object>
    {
        ["$ref"] = "#/$defs/a0",
        ["$defs"] = Enumerable.Range(0, depth).ToDictionary(
            i => $"a{i}",
            i => i == depth - 1 ? (object)new { type = "string" } : new { anyOf = Enumerable.Repeat(new Dictionary<string, string> { ["$ref"] = $"#/$defs/a{i + 1}" }, 2) }),
    });

    private static string Pattern(Random random, int depth) => (depth == 0 ? random.Next(2) : random.Next(7)) switch
    {
        0 => "abc"[random.Next(3)].ToString(),
        1 => random.Next(3) == 0 ? "." : "[ab]",
        2 => $"(?:{Pattern(random, depth - 1)}|{Pattern(random, depth - 1)}|)",
        3 => $"(?:{Pattern(random, depth - 1)})*",
        4 => $"(?:{Pattern(random, depth - 1)})?",
        5 => $"(?:{Pattern(random, depth - 1)}){{{random.Next(2)},{random.Next(1, 4)}}}",
        _ => Pattern(random, depth - 1) + Pattern(random, depth - 1),
    };
}
