using System.CommandLine;
using Cocoon.Node.Cli;
using Cocoon.Node.Hosting;
using Cocoon.Node.Payments;
using Cocoon.Node.Serving;
using Cocoon.Tests.Node.Storage;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Cli;

/// <summary>What people type for money and other numbers: exactly what was meant, or an error.</summary>
public sealed class TypedMoneyTests
{
    private static readonly Type[] Numbers = [typeof(decimal), typeof(double), typeof(float), typeof(int), typeof(uint), typeof(long), typeof(ulong), typeof(TonAmount)];

    /// <summary>Of every command that there is, so that a new one cannot bring the comma back.</summary>
    [TestCase("0,5"), TestCase("1,000.5"), TestCase("1e3"), TestCase("0x10"), TestCase("½")]
    public void NumberOfAnyCommand_WrittenOtherwiseThanWithAPoint_IsRefused(string text)
    {
        List<string> taken = [];
        int seen = 0;
        foreach ((Command command, string[] path) in CommandTree.All())
        {
            foreach (Option option in command.Options.Where(o => IsNumber(o.ValueType)))
            {
                seen++;
                Note(taken, [.. path, option.Name, text], text);
            }

            for (int i = 0; i < command.Arguments.Count; i++)
            {
                if (IsNumber(command.Arguments[i].ValueType))
                {
                    seen++;
                    Note(taken, [.. path, .. command.Arguments.Select((_, at) => at == i ? text : "1")], text);
                }
            }
        }

        Assert.That(seen, Is.GreaterThan(60), "the commands were looked at");
        Assert.That(taken, Is.Empty);
    }

    [TestCase("0.5", 500_000_000UL), TestCase("5", 5_000_000_000UL), TestCase("0", 0UL), TestCase("0.000000001", 1UL), TestCase("1.50", 1_500_000_000UL), TestCase(".5", 500_000_000UL)]
    public void Amount_InTon_IsThatManyNanoton(string text, ulong nanoton)
    {
        Assert.That(TonAmount.TryParse(text, out TonAmount amount, out _), Is.True);
        Assert.That(amount.Nanoton, Is.EqualTo(nanoton));
    }

    [TestCase("0,5", "comma"), TestCase("-1", "digits"), TestCase("+1", "digits"), TestCase(" 1", "digits"), TestCase("1 000", "digits"), TestCase("0.0000000001", "nine decimals"), TestCase("1000000001", "than there are")]
    [TestCase("99999999999999999999999999999999999999", "digits")]
    public void Amount_ThatIsNone_IsRefusedInWords(string text, string why)
    {
        Assert.That(TonAmount.TryParse(text, out _, out string told), Is.False);
        Assert.That(told, Does.Contain(why));
    }

    [Test]
    public void Error_OfACommaInAnAmount_NamesThePointThatIsMeant()
    {
        IReadOnlyList<string> errors = ParseErrorWords.Of(CommandTree.Root.Parse(["wallet", "send", "UQ", "0,5"]));
        Assert.That(errors, Has.Some.Contains("'0,5'").And.Some.Contains("0.5").And.Some.Contains("comma"));
    }

    [Test]
    public void Prices_OfAConfigurationFile_AreReadAsStrictlyAsTyped()
    {
        using TemporaryDirectory directory = new();
        string path = directory.File("config.json");
        OfferedModel model = new(null!, new ModelServingOptions(), new ServingPrices(new ModelServingOptions(), isAutomatic: false));
        File.WriteAllText(path, """{ "price-out": "0,16" }""");
        ParseResult typed = CommandTree.Root.Parse(ConfigFile.Expand(["up", "--config", path]));
        Assert.That(() => PriceFile.Apply(ConfigFile.Read(path), [model]), Throws.TypeOf<FormatException>().With.Message.Contains("0,16"));
        File.WriteAllText(path, """{ "price-out": 0.18 }""");
        PriceFile.Apply(ConfigFile.Read(path), [model]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ParseErrorWords.Of(typed), Has.Some.Contains("'0,16'"));
            Assert.That(model.Prices.Floor.Completion, Is.EqualTo(180_000_000));
        }
    }

    [TestCase(nameof(PaymentErrorCode.Chain), 5), TestCase(nameof(PaymentErrorCode.Funds), 6), TestCase(nameof(PaymentErrorCode.Wallet), 6)]
    public void ExitCode_OfAPaymentThatWasNotMade_FollowsFromItsCauseAlone(string code, int exitCode) =>
        Assert.That(CliException.Of(new PaymentException(Enum.Parse<PaymentErrorCode>(code), "why")).ExitCode, Is.EqualTo(exitCode));

    [TestCase("EQArPHHisJedIAzNtJfKKK1ZDUBz5mK6QpZPm4tjzQny6vlt", "check sum"), TestCase("EQAr", "48"), TestCase("", "48")]
    public void Address_Mistyped_IsRefusedWithWhatIsWrong(string text, string why)
    {
        CliException refused = Assert.Throws<CliException>(() => TypedAddress.Read(text));
        Assert.That((refused.ExitCode, refused.Why!.Contains(why, StringComparison.Ordinal)), Is.EqualTo((2, true)), refused.Why);
    }

    private static void Note(List<string> taken, string[] arguments, string text)
    {
        if (!ParseErrorWords.Of(CommandTree.Root.Parse(arguments)).Any(words => words.Contains($"'{text}'", StringComparison.Ordinal)))
        {
            taken.Add(string.Join(' ', arguments));
        }
    }

    private static bool IsNumber(Type type) => Numbers.Contains(Nullable.GetUnderlyingType(type.IsArray ? type.GetElementType()! : type) ?? (type.IsArray ? type.GetElementType()! : type));
}
