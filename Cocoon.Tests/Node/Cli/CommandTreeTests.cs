using System.CommandLine;
using Cocoon.Node.Cli;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Cli;

/// <summary>What holds for every command, whoever adds the next one.</summary>
public sealed class CommandTreeTests
{
    [TestCase("")]
    [TestCase("   ")]
    public void EveryArgument_GivenAsNothing_IsRefusedByItsName(string nothing)
    {
        foreach ((Command command, string[] path) in CommandTree.All())
        {
            for (int i = 0; i < command.Arguments.Count; i++)
            {
                string[] line = [.. path, .. Enumerable.Repeat("1", i), nothing];
                Assert.That(ParseErrorWords.Of(CommandTree.Root.Parse(line)), Does.Contain($"{command.Arguments[i].Name.ToUpperInvariant()} is empty"), string.Join(' ', line));
            }
        }
    }

    [Test]
    public void EveryOption_GivenAsNothing_IsRefusedByItsName()
    {
        foreach ((Command command, string[] path) in CommandTree.All())
        {
            foreach (Option option in command.Options.Where(o => o.Arity.MaximumNumberOfValues > 0 && o.ValueType != typeof(bool)))
            {
                string[] line = [.. path, option.Name, ""];
                Assert.That(ParseErrorWords.Of(CommandTree.Root.Parse(line)), Does.Contain($"{option.Name} is empty"), string.Join(' ', line));
            }
        }
    }

    [Test]
    public void EveryMistake_IsSaidWithoutTheNamesOfTypes()
    {
        foreach ((Command command, string[] path) in CommandTree.All())
        {
            IEnumerable<string[]> lines = command.Options.Where(o => o.Arity.MaximumNumberOfValues > 0).Select(o => (string[])[.. path, o.Name, "a b"])
                .Concat(command.Arguments.Select((_, i) => (string[])[.. path, .. Enumerable.Repeat("a b", i + 1)]));
            foreach (string[] line in lines)
            {
                IReadOnlyList<string> mistakes = ParseErrorWords.Of(CommandTree.Root.Parse(line));
                Assert.That(mistakes, Has.None.Contains("System.").And.None.Contains("Cocoon."), string.Join(' ', line));
            }
        }
    }

    [TestCase(new[] { "chat", "--max-tokens", "abc", "Hello?" }, "'abc' is no whole number from 0 on: --max-tokens")]
    [TestCase(new[] { "chat", "--max-tokens", "-1", "Hello?" }, "'-1' is no whole number from 0 on: --max-tokens")]
    [TestCase(new[] { "chat", "" }, "PROMPT is empty")]
    [TestCase(new[] { "verify", "" }, "RECEIPT is empty")]
    public void Mistake_IsOneLine(string[] line, string words) =>
        Assert.That(ParseErrorWords.Of(CommandTree.Root.Parse(line)), Is.EqualTo(new[] { words }));

    [TestCase(new[] { "--price-out", "0.1", "--price-out", "0.2" }, "--price-out was given 2 times for one model")]
    [TestCase(new[] { "--model", "a", "--model", "b", "--slots", "1", "--slots", "2", "--slots", "3" }, "--slots was given 3 times for 2 models")]
    [TestCase(new[] { "--gpu-layers", "1", "--gpu-layers", "2" }, "--gpu-layers was given 2 times for one model")]
    public void ValueThatIsNoModels_IsRefused(string[] line, string words)
    {
        ModelOptionSet models = new();
        Command up = new("up");
        models.AddTo(up);
        Assert.That(() => models.Read(up.Parse(line), path => path ?? "built-in"), Throws.InstanceOf<CliException>().With.Message.EqualTo(words));
    }

    [TestCase("events")]
    [TestCase("gossip tail")]
    [TestCase("peers")]
    public void OutputFormats_AreNamedAsTheyAreTyped(string line)
    {
        Command command = CommandTree.All().Single(c => c.Line == line).Command;
        string[] completions = [.. command.Options.Single(o => o.Name == "--output").GetCompletions(System.CommandLine.Completions.CompletionContext.Empty).Select(c => c.Label)];
        Assert.That(completions, Is.EquivalentTo(new[] { "table", "json", "jsonl", "csv" }));
    }
}
