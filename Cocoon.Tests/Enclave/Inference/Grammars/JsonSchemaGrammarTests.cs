using System.Text.Json;
using Cocoon.Enclave.Inference.Grammars;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference.Grammars;

/// <summary>Which texts fit the grammar of a schema.</summary>
public sealed class JsonSchemaGrammarTests
{
    [TestCase("""{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a","b"]}""", """{"a":1,"b":"x"}""", """{"a":1}""")]
    [TestCase("""{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a","b"]}""", """{ "a": -0, "b": "\u00e9\n" }""", """{"b":"x","a":1}""")]
    [TestCase("""{"type":"object","properties":{"a":{},"b":{},"c":{}},"required":["b"]}""", """{"b":1,"c":[]}""", """{"a":1,"c":1}""")]
    [TestCase("""{"type":"object","properties":{"a":{},"b":{},"c":{}},"required":["b"]}""", """{"a":null,"b":1}""", """{,"b":1}""")]
    [TestCase("""{"type":"object","properties":{"a":true},"additionalProperties":{"type":"integer"}}""", """{"a":"x","ab":1,"b":2,"":3}""", """{"a":"x","a":1}""")]
    [TestCase("""{"type":"object","additionalProperties":{"type":"integer"},"minProperties":1,"maxProperties":2}""", """{"q":1,"r":2}""", """{}""")]
    [TestCase("""{"type":"object","additionalProperties":{"type":"integer"},"maxProperties":2}""", """{}""", """{"q":1,"r":2,"s":3}""")]
    [TestCase("""{"type":"object"}""", """{}""", """{"x":1}""")]
    [TestCase("""{"type":"object","required":["z"],"additionalProperties":true}""", """{"z":[1],"y":2}""", """{"y":2}""")]
    [TestCase("""{"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":3}""", """[true,false]""", """[]""")]
    [TestCase("""{"type":"array","items":{"type":"boolean"},"maxItems":0}""", """[]""", """[true]""")]
    [TestCase("""{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false}""", """[1,"a"]""", """[1]""")]
    [TestCase("""{"type":"array","prefixItems":[{"type":"integer"}],"items":{"type":"null"},"maxItems":3}""", """[1,null,null]""", """[1,null,null,null]""")]
    [TestCase("""{"type":["string","null"]}""", """null""", """1""")]
    [TestCase("""{"enum":["a",1,null,{"b":[]}]}""", """{"b":[]}""", "\"b\"")]
    [TestCase("""{"type":"string","enum":["a",1]}""", "\"a\"", """1""")]
    [TestCase("""{"const":"q\"\\"}""", """ "q\"\\" """, "\"q\"")]
    [TestCase("""{"anyOf":[{"type":"integer"},{"type":"array","items":{"type":"integer"}}]}""", """[1,2]""", """["a"]""")]
    [TestCase("""{"allOf":[{"$ref":"#/$defs/p"},{"properties":{"b":{"type":"integer"}},"required":["b"]}],"$defs":{"p":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}}}""", """{"a":1,"b":2}""", """{"a":1}""")]
    [TestCase("""{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["v","next"],"additionalProperties":false}}}""", """{"v":1,"next":{"v":2,"next":null}}""", """{"v":1,"next":{}}""")]
    [TestCase("""{"type":"array","items":{"$ref":"#"}}""", """[[],[[]]]""", """[1]""")]
    [TestCase("""{"type":"integer","minimum":-12,"maximum":345}""", """-12""", """-13""")]
    [TestCase("""{"type":"integer","minimum":-12,"maximum":345}""", """345""", """346""")]
    [TestCase("""{"type":"integer","minimum":7}""", """1000000""", """6""")]
    [TestCase("""{"type":"integer","exclusiveMinimum":0,"maximum":100}""", """100""", """0""")]
    [TestCase("""{"type":"number","minimum":0,"maximum":1}""", """0.25""", """1.1""")]
    [TestCase("""{"type":"number","minimum":0,"maximum":1}""", """1.0""", """-0.5""")]
    [TestCase("""{"type":"number","exclusiveMinimum":0}""", """0.001""", """0.0""")]
    [TestCase("""{"type":"number","exclusiveMaximum":0}""", """-0.5""", """-0""")]
    [TestCase("""{"type":"number","minimum":-2,"exclusiveMaximum":3}""", """2.99""", """3""")]
    [TestCase("""{"type":"number"}""", """-1.5e-7""", """01""")]
    [TestCase("""{"type":"string","minLength":2,"maxLength":3}""", "\"äöü\"", "\"a\"")]
    [TestCase("""{"type":"string","pattern":"^[A-Z]{2}-\\d+$"}""", "\"AB-12\"", "\"AB-\"")]
    [TestCase("""{"type":"string","pattern":"b+"}""", "\"abbc\"", "\"ac\"")]
    [TestCase("""{"type":"string","pattern":"^(?:\"|\\\\|a|)$"}""", """ "\"" """, "\"b\"")]
    [TestCase("""{"type":"string","format":"date"}""", "\"2024-02-28\"", "\"2024-02-30\"")]
    [TestCase("""{"type":"string","format":"date-time"}""", "\"2024-12-31T23:59:59.5+02:00\"", "\"2024-12-31T24:00:00Z\"")]
    [TestCase("""{"type":"string","format":"ipv4"}""", "\"255.0.10.1\"", "\"256.0.0.1\"")]
    [TestCase("""{"type":"string","format":"uuid"}""", "\"123e4567-e89b-12d3-a456-426614174000\"", "\"123e4567\"")]
    [TestCase("""{"type":"string","format":"unheard-of"}""", "\"x\"", "1")]
    [TestCase("""{"type":"string","minLength":2500,"maxLength":2501}""", "2500*", "2499*")]
    [TestCase("""{"type":"string","maxLength":3001}""", "3001*", "3002*")]
    [TestCase("""{"type":"array","items":{"const":1},"minItems":2000,"maxItems":2000}""", "2000#", "1999#")]
    public void Compile_Schema_AcceptsOneAndRefusesTheOther(string schema, string accepted, string refused)
    {
        string gbnf = JsonSchemaGrammar.Compile(JsonDocument.Parse(schema).RootElement);
        Assert.That(Accepts(gbnf, Expand(accepted)), Is.True, gbnf);
        Assert.That(Accepts(gbnf, Expand(refused)), Is.False, gbnf);
    }

    [TestCase("""{"not":{}}""", "/not")]
    [TestCase("""{"type":"object","properties":{"a~/b":{"uniqueItems":true}}}""", "/properties/a~0~1b/uniqueItems")]
    [TestCase("""{"type":"array","items":{"type":"spaceship"}}""", "/items/type")]
    [TestCase("""{"type":"string","pattern":"(?=a)b"}""", "/pattern")]
    [TestCase("""{"type":"string","pattern":"a{2,1}"}""", "/pattern")]
    [TestCase("""{"type":"string","pattern":"((((((((((((((((((((((((((((((((((a"}""", "/pattern")]
    [TestCase("""{"type":"string","maxLength":5000000}""", "/maxLength")]
    [TestCase("""{"$ref":"https://example.org/schema"}""", "/$ref")]
    [TestCase("""{"$ref":"#/nowhere"}""", "/$ref")]
    [TestCase("""{"enum":[]}""", "/enum")]
    [TestCase("""{"type":"integer","enum":["a"]}""", "/enum")]
    [TestCase("""{"type":"number","minimum":0.5}""", "")]
    [TestCase("""{"type":"object","properties":{"a":false},"required":["a"]}""", "")]
    [TestCase("""{"type":"integer","minimum":5,"maximum":4}""", "")]
    [TestCase("""{"type":"array","items":{"type":"null"},"minItems":5,"maxItems":4}""", "")]
    [TestCase("""{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"required":["a"]}}}""", "")]
    [TestCase("""{"type":"object","required":["z"],"additionalProperties":false}""", "/required")]
    [TestCase("[]", "")]
    [TestCase("false", "")]
    public void Compile_UnsupportedOrImpossible_NamesThePlace(string schema, string pointer) =>
        Assert.That(
            () => JsonSchemaGrammar.Compile(JsonDocument.Parse(schema).RootElement), Throws.TypeOf<GrammarException>().With.Property("Pointer").EqualTo(pointer));

    [Test]
    public void Compile_HugeOrDeepSchemas_AreRefusedOrCompileWithinBounds()
    {
        string deep = string.Concat(Enumerable.Repeat("""{"type":"array","items":""", 60)) + "true" + new string('}', 60);
        Assert.That(() => Accepts(JsonSchemaGrammar.Compile(Parse(deep)), "[]"), Is.True);
        string deeper = string.Concat(Enumerable.Repeat("""{"type":"array","items":""", 80)) + "true" + new string('}', 80);
        Assert.That(() => JsonSchemaGrammar.Compile(Parse(deeper)), Throws.TypeOf<GrammarException>());
        Assert.That(Accepts(JsonSchemaGrammar.Compile(Wide(JsonSchemaGrammar.MaxOptional, 0)), """{"p5":1,"p999":2}"""), Is.True);
        Assert.That(() => JsonSchemaGrammar.Compile(Wide(JsonSchemaGrammar.MaxProperties, JsonSchemaGrammar.MaxProperties)), Throws.Nothing);
        Assert.That(Refusal(Wide(JsonSchemaGrammar.MaxOptional + 3, 2)), Is.EqualTo(("/required", "an object has at most 1000 properties that are not required")));
        foreach (int tooMany in (int[])[JsonSchemaGrammar.MaxProperties + 1, 9000])
        {
            Assert.That(Refusal(Wide(tooMany, 0)), Is.EqualTo(("/properties", "a schema has at most 5000 properties")), "refused by its number and not by its bytes");
        }

        string nested = """{"type":"array","maxItems":900000,"items":{"type":"array","maxItems":900000,"items":{"type":"string","maxLength":900000}}}""";
        Assert.That(JsonSchemaGrammar.Compile(Parse(nested)), Has.Length.LessThan(GrammarBuilder.MaxText));
    }

    /// <summary>Whatever takes the square of a schema's size takes minutes here.</summary>
    [Test]
    public void Compile_WideClassesAndManyReferences_GrowWithTheirSizeOnly()
    {
        string apart = string.Concat(Enumerable.Range(0x100, 0xD600).Where(c => c % 2 == 0).Select(c => (char)c));
        Assert.That(() => JsonSchemaGrammar.Compile(Parse($$"""{"type":"string","pattern":"^[{{apart}}][{{apart}}]$"}""")), Throws.Nothing);

        Dictionary<string, object> definitions = Enumerable.Range(0, 9000).ToDictionary(i => $"f{i}", object (_) => 0);
        for (int i = 0; i < 55; i++)
        {
            definitions[$"c{i}"] = new Dictionary<string, string> { ["$ref"] = $"#/$defs/c{i + 1}" };
        }

        definitions["c55"] = new { type = "object" };
        Dictionary<string, object> many = new() { ["allOf"] = Enumerable.Repeat(definitions["c0"], 5000), ["$defs"] = definitions };
        Assert.That(Accepts(JsonSchemaGrammar.Compile(JsonSerializer.SerializeToElement(many)), "{}"), Is.True);
    }

    private static (string Pointer, string Message) Refusal(JsonElement schema)
    {
        GrammarException refused = Assert.Throws<GrammarException>(() => JsonSchemaGrammar.Compile(schema))!;
        return (refused.Pointer, refused.Message);
    }

    private static JsonElement Wide(int properties, int required) => Parse(
        $$"""{"type":"object","properties":{{{string.Join(',', Enumerable.Range(0, properties).Select(i => $"\"p{i}\":{{\"type\":\"integer\"}}"))}}},"required":[{{string.Join(',', Enumerable.Range(0, required).Select(i => $"\"p{i}\""))}}]}""");

    private static JsonElement Parse(string json) => JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 256 }).RootElement;

    /// <summary><c>N*</c>: a string of N letters; <c>N#</c>: a list of N ones; anything else itself, trimmed.</summary>
    private static string Expand(string text) => text switch
    {
        [.. var count, '*'] => $"\"{new string('x', int.Parse(count, System.Globalization.CultureInfo.InvariantCulture))}\"",
        [.. var count, '#'] => $"[{string.Join(',', Enumerable.Repeat(1, int.Parse(count, System.Globalization.CultureInfo.InvariantCulture)))}]",
        _ => text.Trim(),
    };

    private static bool Accepts(string gbnf, string text) => GrammarMatcherTests.Accepts(gbnf, text);
}
