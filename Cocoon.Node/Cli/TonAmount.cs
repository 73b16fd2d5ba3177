using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Cocoon.Node.Payments;

namespace Cocoon.Node.Cli;

/// <summary>An amount of TON as a person typed it, exact to the nanoTON: the one way from typed text to money, for options, arguments and files.</summary>
internal readonly record struct TonAmount(ulong Nanoton)
{
    private const decimal NanotonPerTon = 1_000_000_000m;

    /// <summary>More than all TON there are would be a typing mistake.</summary>
    private const decimal Most = 1_000_000_000m;

    /// <summary>Of a price per 1,000,000 tokens.</summary>
    public static TonAmount MostPrice { get; } = new(1_000UL * (ulong)NanotonPerTon);

    /// <summary>TON, with all its digits.</summary>
    public override string ToString() => MoneyWords.Ton(Nanoton);

    /// <summary>As JSON bodies of the control API carry it.</summary>
    public string ToNanotonText() => Nanoton.ToString(CultureInfo.InvariantCulture);

    /// <param name="why">What is wrong with it, as the end of a sentence.</param>
    public static bool TryParse(string text, out TonAmount amount, out string why)
    {
        amount = default;
        if (!TypedNumber.TryRead(text, out decimal ton, out why))
        {
            return false;
        }

        if (ton > Most)
        {
            why = "that is more TON than there are";
            return false;
        }

        decimal nanoton = ton * NanotonPerTon;
        if (decimal.Truncate(nanoton) != nanoton)
        {
            why = "at most nine decimals are possible";
            return false;
        }

        amount = new TonAmount((ulong)nanoton);
        return true;
    }

    /// <summary>One that has a value without being given, shown by <c>--help</c>.</summary>
    public static Option<TonAmount> Option(string name, string description, ulong nanoton) => new(name)
    {
        Description = description,
        DefaultValueFactory = _ => new TonAmount(nanoton),
        CustomParser = result => Read(result),
        HelpName = "TON",
    };

    public static Option<TonAmount?> Option(string name, string description) => new(name)
    {
        Description = description,
        CustomParser = result => Read(result),
        HelpName = "TON",
    };

    /// <summary>One that may be given several times.</summary>
    public static Option<TonAmount[]> List(string name, string description, ulong nanoton) => new(name)
    {
        Description = description,
        DefaultValueFactory = _ => [new TonAmount(nanoton)],
        CustomParser = result => [.. result.Tokens.Select(token => Read(result, token))],
        HelpName = "TON",
    };

    public static Argument<TonAmount> Argument(string name, string description) => new(name)
    {
        Description = description,
        CustomParser = result => Read(result),
        HelpName = "TON",
    };

    /// <summary>A price per 1,000,000 tokens.</summary>
    /// <exception cref="CliException">Beyond reason.</exception>
    public ulong ToPrice() => Nanoton <= MostPrice.Nanoton
        ? Nanoton
        : throw new CliException(ExitCode.Usage, $"a price of {this} TON per 1,000,000 tokens is out of range", $"0 to {MostPrice} is allowed");

    private static TonAmount Read(ArgumentResult result) => Read(result, result.Tokens[0]);

    private static TonAmount Read(ArgumentResult result, Token token)
    {
        if (!TryParse(token.Value, out TonAmount amount, out string why))
        {
            result.AddError($"'{token.Value}' is no amount of TON: {why} ({TypedNumber.NameOf(result)})");
        }

        return amount;
    }
}
