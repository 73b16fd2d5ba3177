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

    /// <summary>A number that is brought into range in silence is one that somebody believes to be in force.</summary>
    [Test]
    public void EveryNumber_BeyondReason_IsRefusedWithItsRange()
    {
        List<string> taken = [];
        int seen = 0;
        foreach ((Command command, string[] path) in CommandTree.All().Where(c => !c.Command.Hidden))
        {
            foreach (Option option in command.Options)
            {
                string[] extremes = ElementOf(option.ValueType) switch
                {
                    var t when t == typeof(int) => ["2147483647", "-2147483648"],
                    var t when t == typeof(uint) => ["4294967295"],
                    var t when t == typeof(decimal) => ["79228162514264337593543950335"],
                    _ => [],
                };
                foreach (string[] line in extremes.Select(e => (string[])[.. path, option.Name, e]))
                {
                    seen++;
                    if (!ParseErrorWords.Of(CommandTree.Root.Parse(line)).Any(words => words.StartsWith(option.Name, StringComparison.Ordinal) && words.EndsWith("is allowed", StringComparison.Ordinal)))
                    {
                        taken.Add(string.Join(' ', line));
                    }
                }
            }
        }

        Assert.That(seen, Is.GreaterThan(30), "the commands were looked at");
        Assert.That(taken, Is.Empty);

        static Type ElementOf(Type type)
        {
            Type single = type.IsArray ? type.GetElementType()! : type;
            return Nullable.GetUnderlyingType(single) ?? single;
        }
    }

    [TestCase("up", "--context", "10", "--context 10 is out of range: 0, or 32 to 4194304 is allowed")]
    [TestCase("up", "--gpu-layers", "-7", "--gpu-layers -7 is out of range: -1 to 10000 is allowed")]
    [TestCase("models show", "--slots", "0", "--slots 0 is out of range: 1 to 64 is allowed")]
    [TestCase("models pull", "--connections", "17", "--connections 17 is out of range: 1 to 16 is allowed")]
    [TestCase("bench", "--rounds", "0", "--rounds 0 is out of range: 1 to 99 is allowed")]
    public void Number_OutOfRange_IsRefusedInOneLine(string command, string option, string value, string words) =>
        Assert.That(ParseErrorWords.Of(CommandTree.Root.Parse([.. command.Split(' '), option, value])), Does.Contain(words));

    [TestCase(new[] { "chat", "--max-tokens", "abc", "Hello?" }, "'abc' is no whole number from 0 on: --max-tokens")]
    [TestCase(new[] { "chat", "--max-tokens", "-1", "Hello?" }, "--max-tokens -1 is out of range: 1 to 4194304 is allowed")]
    [TestCase(new[] { "chat", "" }, "PROMPT is empty")]
    [TestCase(new[] { "verify", "" }, "RECEIPT is empty")]
    [TestCase(new[] { "bond" }, "'bond' needs one of these after it: show, stake, unbond, rebond, withdraw, publish")]
    [TestCase(new[] { "registry" }, "'registry' needs one of these after it: show, list, deploy, propose, apply, cancel, revoke")]
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

    [TestCase("UPPER/..bad", "'UPPER/..bad' cannot be a name"), TestCase("ev\e[31mil", "'ev\e[31mil' cannot be a name"), TestCase("two\nlines", "'two\nlines' cannot be a name")]
    public void NameInOffers_IsOneThatTheStoreWouldTake(string name, string words)
    {
        ModelOptionSet models = new();
        Command up = new("up");
        models.AddTo(up);
        Assert.That(() => models.Read(up.Parse(["--name", name]), path => path ?? "built-in"), Throws.InstanceOf<CliException>().With.Message.EqualTo(words));
        Assert.That(models.Read(up.Parse(["--name", "qwen3-8b_q4.k"]), path => path ?? "built-in")[0].ModelName, Is.EqualTo("qwen3-8b_q4.k"));
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
