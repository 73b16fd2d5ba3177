using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli;
using Cocoon.Node.Cli.Rendering;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Cli;

public sealed class RowOptionsTests
{
    private static readonly Column[] s_columns =
    [
        new("peer", "PEER") { IsKey = true, IsId = true },
        new("rtt_ms", "RTT", r => Words.Number(r["rtt_ms"], "0", " ms"), IsRight: true),
        new("models", "MODELS"),
        new("agent", "AGENT"),
        new("age_seconds", "AGE") { IsVolatile = true },
    ];

    private static readonly JsonObject s_document = JsonNode.Parse("""
        {"schema":1,"peers":[
          {"peer":"12D3KooWAAAAAAAAAAAA","rtt_ms":40.5,"models":["big","small"],"agent":"cocoon/0.1.0","age_seconds":1},
          {"peer":"12D3KooWBBBBBBBBBBBB","rtt_ms":null,"models":[],"agent":null,"age_seconds":2},
          {"peer":"12D3KooWCCCCCCCCCCCC","rtt_ms":5,"models":["small"],"agent":"js","age_seconds":3}]}
        """)!.AsObject();

    [TestCase("rtt_ms<40", "C")]
    [TestCase("rtt_ms>=5", "AC")]
    [TestCase("rtt_ms>5", "A")]
    [TestCase("rtt_ms<=40.5", "AC")]
    [TestCase("rtt_ms=-", "B", TestName = "unknown is named by a dash")]
    [TestCase("models=SMALL", "AC")]
    [TestCase("models!=small", "B")]
    [TestCase("agent~COON", "A")]
    [TestCase("agent!=js", "AB")]
    public void Filter_Keeps_WhatMatches(string filter, string expected) =>
        Assert.That(Letters(new RowOptions(OutputFormat.Table, null, null, [filter])), Is.EqualTo(expected));

    [TestCase("rtt_ms", "CAB")]
    [TestCase("-rtt_ms", "ACB")]
    [TestCase("-peer", "CBA")]
    [TestCase("agent", "ACB")]
    public void Sort_PutsUnknownValuesLast_WhicheverWay(string sort, string expected) =>
        Assert.That(Letters(new RowOptions(OutputFormat.Table, null, sort, [])), Is.EqualTo(expected));

    [TestCase("rtt_ms")]
    [TestCase("rtt_ms<soon")]
    [TestCase("=5")]
    [TestCase("colour=red")]
    public void Filter_ThatIsNone_IsAUsageError(string filter) =>
        Assert.That(
            () => new RowOptions(OutputFormat.Table, null, null, [filter]).Apply(Rows(), s_columns),
            Throws.TypeOf<CliException>().With.Property(nameof(CliException.ExitCode)).EqualTo(ExitCode.Usage));

    [Test]
    public void WriteObject_Csv_IsOneRowUnderItsNames()
    {
        using StringWriter output = new(CultureInfo.InvariantCulture);
        JsonObject document = JsonNode.Parse("""{"schema":1,"name":"a, b","peers":[{"id":"x"}],"none":null}""")!.AsObject();
        RowWriter.WriteObject(document, OutputFormat.Csv, _ => [], output);
        Assert.That(output.ToString().Split(Environment.NewLine)[..2], Is.EqualTo(new[] { "schema,name,peers,none", """1,"a, b","[{""id"":""x""}]",""" }));
    }

    [Test]
    public void Write_Quiet_PrintsIdsOnly() =>
        Assert.That(
            Write(new RowOptions(OutputFormat.Table, null, null, ["rtt_ms>0"], IsQuiet: true)), Is.EqualTo("12D3KooWAAAAAAAAAAAA\n12D3KooWCCCCCCCCCCCC\n"));

    [Test]
    public void Write_Table_ShortensIdsUnlessToldNotTo()
    {
        RowOptions options = new(OutputFormat.Table, ["peer", "rtt_ms"], null, []);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Write(options), Does.Contain("12D3…AAAAAA  41 ms").And.Contain("12D3…BBBBBB      -"));
            Assert.That(Write(options with { IsWhole = true }), Does.Contain("12D3KooWAAAAAAAAAAAA"));
        }
    }

    [Test]
    public void Write_JsonlAndCsv_CarryFieldsAsTheyAre()
    {
        string[] csv = Write(new RowOptions(OutputFormat.Csv, ["peer", "models", "rtt_ms"], null, [])).Split('\n');
        string[] jsonl = Write(new RowOptions(OutputFormat.Jsonl, null, null, [])).TrimEnd().Split('\n');
        using (Assert.EnterMultipleScope())
        {
            Assert.That(csv[..3], Is.EqualTo(new[] { "peer,models,rtt_ms", "12D3KooWAAAAAAAAAAAA,big;small,40.5", "12D3KooWBBBBBBBBBBBB,," }));
            Assert.That(jsonl, Has.Length.EqualTo(3));
            Assert.That(JsonNode.Parse(jsonl[1])!["rtt_ms"], Is.Null, "unknown is null, not 0");
            Assert.That(Write(new RowOptions(OutputFormat.Jsonl, ["rtt_ms", "agent"], null, ["rtt_ms=5"])), Is.EqualTo("{\"rtt_ms\":5,\"agent\":\"js\"}\n"));
        }
    }

    [Test]
    public void Write_StrangersText_CannotSteerTheTerminal()
    {
        JsonObject document = new()
        {
            ["peers"] = new JsonArray(new JsonObject { ["peer"] = "x", ["agent"] = "a\e[2Jb\r\nc\u202Edcba\u0007\u009B31m\u2028", ["models"] = new string('m', 500) }),
        };
        string table = Write(new RowOptions(OutputFormat.Table, ["agent", "models"], null, []), document);
        string csv = Write(new RowOptions(OutputFormat.Csv, ["agent"], null, []), document);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(table.TrimEnd().Split('\n'), Has.Length.EqualTo(2), "a row stays one line");
            Assert.That(table, Does.Contain("a [2Jb  c dcba"));
            Assert.That(table.Where(c => char.IsControl(c) && c != '\n'), Is.Empty);
            Assert.That(table, Does.Not.Contain('\u202E').And.Not.Contain('\u2028'));
            Assert.That(table, Does.Not.Contain(new string('m', 100)), "one cell does not push the others away");
            Assert.That(csv, Does.Not.Contain('\e').And.Not.Contain('\u009B'));
        }
    }

    [Test]
    public void Changes_TellWhatCameChangedAndWent_AndLeaveOutWhatMovesByItself()
    {
        RowChanges changes = new(s_columns);
        JsonObject[] rows = [.. Rows()];
        Assert.That(changes.Next(rows).Select(Change), Is.EqualTo(new[] { "added A", "added B", "added C" }));
        JsonObject[] next = [.. rows.Select(r => r.DeepClone().AsObject())];
        next[0]["age_seconds"] = 99;
        next[2]["agent"] = "go";
        Assert.That(changes.Next([next[0], next[2]]).Select(Change), Is.EqualTo(new[] { "changed C", "removed B" }));
        Assert.That(changes.Next([next[0], next[2]]), Is.Empty);
    }

    [Test]
    public void Changes_OfChosenColumns_TellOnlyThem()
    {
        RowChanges changes = new(s_columns, [s_columns.Single(c => c.Field == "agent")]);
        JsonObject[] rows = [.. Rows()];
        Assert.That(changes.Next(rows).Select(c => string.Join(',', c.Select(f => f.Key))), Is.EqualTo(Enumerable.Repeat("change,at,agent", 3)));
        JsonObject[] next = [.. rows.Select(r => r.DeepClone().AsObject())];
        next[0]["models"] = "another";
        next[2]["agent"] = "go";
        Assert.That(changes.Next(next).Select(c => $"{c["change"]} {c["agent"]}"), Is.EqualTo(new[] { "changed go" }));
    }

    [TestCase("2s", 2000)]
    [TestCase("500ms", 500)]
    [TestCase("1.5", 1500)]
    [TestCase("1m", 60000)]
    [TestCase(null, 2000)]
    public void Interval_ReadsTimes(string? text, double milliseconds) =>
        Assert.That(RowOptionSet.ParseInterval(text).TotalMilliseconds, Is.EqualTo(milliseconds));

    [TestCase("0s")]
    [TestCase("-1s")]
    [TestCase("2 hours")]
    [TestCase("1e9")]
    public void Interval_ThatIsNone_IsAUsageError(string text) => Assert.That(() => RowOptionSet.ParseInterval(text), Throws.TypeOf<CliException>());

    [Test]
    public void Interval_ThatIsNone_IsExplainedByTheOptionItWasGivenTo() => Assert.That(
        Assert.Throws<CliException>(() => RowOptionSet.ParseInterval("abc", "--timeout"))!.Fix, Is.EqualTo("For example --timeout=2s, 500ms or 1m."));

    [TestCase("csv"), TestCase("json")]
    public async Task Watch_InAFormOfOneDocument_IsRefusedBeforeAnythingIsAsked(string format)
    {
        RowOptionSet rows = new();
        System.CommandLine.Command list = new("list");
        rows.AddTo(list);
        CliException refused = (await Assert.ThrowsAsync<CliException>(() => rows.PrintAsync(
            list.Parse(["--watch", "-o", format]), _ => throw new InvalidOperationException("asked"), "rows", [], footnote: null, CancellationToken.None)))!;
        Assert.That(refused.ExitCode, Is.EqualTo(ExitCode.Usage));
        Assert.That(refused.Message, Is.EqualTo($"--watch does not go with -o {format}"));
    }

    private static string Change(JsonObject change) => $"{change["change"]} {change["peer"]!.ToString()[^1]}";

    private static IEnumerable<JsonObject> Rows() => RowWriter.Rows(s_document, "peers");

    private static string Letters(RowOptions options) => string.Concat(options.Apply(Rows(), s_columns).Select(r => r["peer"]!.ToString()[^1]));

    private static string Write(RowOptions options, JsonObject? document = null)
    {
        using StringWriter output = new(CultureInfo.InvariantCulture);
        RowWriter.Write(document ?? s_document, "peers", s_columns, options, output);
        return output.ToString();
    }
}
