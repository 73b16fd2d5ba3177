using System.CommandLine;
using Cocoon.Node.Cli;
using Cocoon.Node.Hosting;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Tests.Node.Storage;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Serving;

/// <summary>The owner's switch, hours, prices and configuration file.</summary>
public sealed class ServingControlTests
{
    [Test]
    public void Switch_TwoReasons_OpensWhenBothAreGone_AndTellsOnlyThen()
    {
        ServingSwitch serving = new();
        int changes = 0;
        serving.Changed += () => changes++;
        serving.Set(ServingPause.Owner, true);
        serving.Set(ServingPause.Schedule, true);
        serving.Set(ServingPause.Owner, false);
        Assert.That((serving.IsOpen, serving.Word, changes), Is.EqualTo((false, "paused by its schedule", 1)));
        serving.Set(ServingPause.Schedule, false);
        Assert.That((serving.IsOpen, changes), Is.EqualTo((true, 2)));
    }

    // 2026-06-01 is a Monday.
    [TestCase("22:00-07:00", "2026-06-01 23:00", true)]
    [TestCase("22:00-07:00", "2026-06-01 06:59", true)]
    [TestCase("22:00-07:00", "2026-06-01 07:00", false)]
    [TestCase("Mon-Fri 19:00-23:30, Sat-Sun 00:00-24:00", "2026-06-01 18:59", false)]
    [TestCase("Mon-Fri 19:00-23:30, Sat-Sun 00:00-24:00", "2026-06-01 19:00", true)]
    [TestCase("Mon-Fri 19:00-23:30, Sat-Sun 00:00-24:00", "2026-06-07 23:59", true)]
    [TestCase("Fri 22:00-06:00", "2026-06-06 05:00", true, Description = "Friday's window goes on into Saturday")]
    [TestCase("Fri 22:00-06:00", "2026-06-05 05:00", false)]
    [TestCase("Sat-Mon 10:00-11:00", "2026-06-07 10:30", true, Description = "over the end of the week")]
    [TestCase("Sat-Mon 10:00-11:00", "2026-06-02 10:30", false)]
    public void Schedule_AtATime_IsOpen(string hours, string time, bool open) =>
        Assert.That(ServingSchedule.Parse(hours).IsOpen(DateTime.Parse(time, System.Globalization.CultureInfo.InvariantCulture)), Is.EqualTo(open));

    [TestCase(""), TestCase("all day"), TestCase("22-07"), TestCase("24:30-07:00"), TestCase("25:00-07:00"), TestCase("10:00-10:00"), TestCase("Foo 10:00-11:00"), TestCase("24:00-07:00")]
    public void Schedule_OfNonsense_IsRefused(string hours) => Assert.That(() => ServingSchedule.Parse(hours), Throws.TypeOf<FormatException>());

    [TestCase("{\"price-out\": \"\\ud800\"}", TestName = "ConfigFile_OfHalfACharacter_IsRefused")]
    [TestCase("{\"\\udc00\": 1}", TestName = "ConfigFile_NameOfHalfACharacter_IsRefused")]
    [TestCase("{\"price-out\": 1e400}", TestName = "ConfigFile_NumberBeyondAll_IsRefused")]
    [TestCase("{\"price-out\": 1, \"price-out\": 2}", TestName = "ConfigFile_NameTwice_IsRefused")]
    [TestCase("[", TestName = "ConfigFile_HalfWritten_IsRefused")]
    public void ConfigFile_Broken_IsRefused(string text)
    {
        // The running node reads it again whenever it changes: anything but this error would end the node.
        using TemporaryDirectory folder = new();
        string path = Path.Combine(folder.Path, "node.json");
        File.WriteAllText(path, text);
        Assert.That(() => ConfigFile.Read(path), Throws.TypeOf<CliException>());
    }

    [Test]
    public void AutoPrice_BusyThenIdle_ClimbsInSmallStepsAndFallsToTheFloor()
    {
        double factor = 1;
        for (int i = 0; i < 10; i++)
        {
            double next = AutoPrice.Next(factor, utilisation: 1, turnedAway: false);
            Assert.That(next / factor, Is.InRange(1, 1 + AutoPrice.MaxStep + 1e-9));
            factor = next;
        }

        Assert.That(factor, Is.GreaterThan(1.5));
        Assert.That(AutoPrice.Next(factor, AutoPrice.Target, false), Is.EqualTo(factor), "at the target nothing moves");
        Assert.That(AutoPrice.Next(1.2, 0.1, turnedAway: true), Is.GreaterThan(1.2), "somebody was turned away");
        for (int i = 0; i < 100; i++)
        {
            factor = AutoPrice.Next(factor, 0, false);
        }

        Assert.That(factor, Is.EqualTo(1), "never under the floor");
        for (int i = 0; i < 200; i++)
        {
            factor = AutoPrice.Next(factor, 1, true);
        }

        Assert.That(factor, Is.EqualTo(ServingPrices.MaxFactor));
    }

    [Test]
    public void Prices_FactorAndFloor_MakeTheOffer()
    {
        ServingPrices prices = new(new ModelServingOptions { PricePrompt = 100, PriceCached = 10, PriceCompletion = 400 }, isAutomatic: true);
        int changes = 0;
        prices.Changed += () => changes++;
        prices.SetFactor(1.5);
        Assert.That(prices.Current, Is.EqualTo(new Prices { Prompt = 150, Cached = 15, Completion = 600 }));
        prices.SetFloor(new Prices { Prompt = 200, Cached = 20, Completion = 800 });
        prices.SetFloor(new Prices { Prompt = 200, Cached = 20, Completion = 800 });
        prices.SetFactor(0.1);
        Assert.That(prices.Current, Is.EqualTo(prices.Floor));
        Assert.That(changes, Is.EqualTo(3), "what changes nothing is not told");
    }

    [Test]
    public void PriceFile_OneValueOrOneForEach_AndNothingHalfDone()
    {
        using TemporaryDirectory folder = new();
        OfferedModel[] models = [.. Enumerable.Range(0, 2).Select(_ => new OfferedModel(null!, new ModelServingOptions(), new ServingPrices(new ModelServingOptions(), isAutomatic: false)))];
        string path = folder.File("cocoon.json");
        File.WriteAllText(path, """{ "model": ["a", "b"], "price-in": 0.05, "price-out": [0.1, 0.2] }""");
        PriceFile.Apply(ConfigFile.Read(path), models);
        Prices[] expected = [new Prices { Prompt = 50_000_000, Cached = 10_000_000, Completion = 100_000_000 }, new Prices { Prompt = 50_000_000, Cached = 10_000_000, Completion = 200_000_000 }];
        Assert.That(models.Select(m => m.Prices.Current), Is.EqualTo(expected));
        File.WriteAllText(path, """{ "price-in": 0.09, "price-out": [0.1, 0.2, 0.3] }""");
        Assert.That(() => PriceFile.Apply(ConfigFile.Read(path), models), Throws.TypeOf<FormatException>());
        Assert.That(models.Select(m => m.Prices.Current), Is.EqualTo(expected), "a file with a mistake changes nothing");
    }

    [Test]
    public void ConfigFile_ChangedInMoreThanPrices_NamesWhatNeedsARestart()
    {
        using TemporaryDirectory folder = new();
        string path = folder.File("cocoon.json");
        Assert.That(PriceFile.Changed(Read("""{ "slots": 2, "lan": true, "price-out": 0.1 }"""), Read("""{ "slots": 4, "model": "a", "price-out": 0.2 }""")), Is.EqualTo("lan, model, slots"));
        Assert.That(PriceFile.Changed(Read("""{ "slots": 2 }"""), Read("""{ "price-in": 0.2, "slots": 2 }""")), Is.Empty);

        IReadOnlyDictionary<string, string> Read(string content)
        {
            File.WriteAllText(path, content);
            return PriceFile.Others(ConfigFile.Read(path));
        }
    }

    [Test]
    public void ConfigFile_BecomesArguments_AndWhatIsTypedWins()
    {
        using TemporaryDirectory folder = new();
        string path = folder.File("cocoon.json");
        File.WriteAllText(path, """{ "model": "qwen3-8b", /* ours */ "price-out": 0.18, "lan": true, "verbose": false, "bootstrap": ["/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.5/tcp/1"], }""");
        string[] expected =
        [
            "up", "--config", path, "--price-out", "0.2", "--model", "qwen3-8b", "--lan", "--bootstrap", "/ip4/1.2.3.4/tcp/1", "--bootstrap", "/ip4/1.2.3.5/tcp/1",
        ];
        Assert.That(ConfigFile.Expand(["up", "--config", path, "--price-out", "0.2"]), Is.EqualTo(expected));
        Assert.That(ConfigFile.Expand(["up", "--config=" + path, "--model=x"]), Does.Not.Contain("qwen3-8b"));
        Assert.That(ConfigFile.Expand(["status"]), Is.EqualTo(new[] { "status" }));
    }

    [TestCase("[]"), TestCase("{"), TestCase("""{"a":{}}"""), TestCase("""{"a":[[1]]}"""), TestCase("""{"a":1,"a":2}"""), TestCase("""{"config":"x"}"""), TestCase("""{"a":[]}"""), TestCase("""{"a":null}""")]
    public void ConfigFile_Malformed_IsAClearError(string content)
    {
        using TemporaryDirectory folder = new();
        File.WriteAllText(folder.File("c.json"), content);
        CliException refused = Assert.Throws<CliException>(() => ConfigFile.Expand(["up", "--config", folder.File("c.json")]))!;
        Assert.That((refused.ExitCode, refused.Message), Is.EqualTo((ExitCode.Usage, folder.File("c.json") + " is no configuration file")));
        Assert.That(Assert.Throws<CliException>(() => ConfigFile.Expand(["up", "--config", folder.File("none")]))!.ExitCode, Is.EqualTo(ExitCode.NotFound));
    }

    [Test]
    public void ConfigFile_WithAMisspelledOption_IsNamedWithIt()
    {
        using TemporaryDirectory folder = new();
        string path = folder.File("c.json");
        File.WriteAllText(path, """{ "model": "qwen3-8b", "typo": "x" }""");
        Command up = Cli.CommandTree.Root.Parse("up").CommandResult.Command;
        CliException refused = ConfigFile.FindUnknown(["up", "--config", path], up)!;
        Assert.That((refused.ExitCode, refused.Message), Is.EqualTo((ExitCode.Usage, $"'typo' in {path} is no option of 'cocoon up'")));
        File.WriteAllText(path, """{ "model": "qwen3-8b", "region": "eu", "verbose": true }""");
        Assert.That(ConfigFile.FindUnknown(["up", "--config=" + path], up), Is.Null);
        Assert.That(ConfigFile.FindUnknown(["up"], up), Is.Null);
    }
}
