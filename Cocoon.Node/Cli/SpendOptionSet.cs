using System.CommandLine;
using Cocoon.Node.Payments;

namespace Cocoon.Node.Cli;

/// <summary>Options of a client that limit what leaves its wallet without asking.</summary>
internal sealed class SpendOptionSet
{
    private static readonly SpendOptions Default = new();

    private readonly Option<decimal> _deposit = Ton("--deposit", "put into a new channel, and added when one runs low", Default.Deposit);
    private readonly Option<decimal> _request = Ton("--limit-request", "that one request may cost", Default.PerRequest);
    private readonly Option<decimal> _day = Ton("--limit-day", "that may be spent in a UTC day", Default.PerDay);
    private readonly Option<decimal?> _key = new("--limit-key-day") { Description = "TON that one application key may spend in a UTC day (default: no limit of its own)", HelpName = "TON" };
    private readonly Option<decimal> _provider = Ton("--limit-provider", "tied up with one provider", Default.DepositCapPerProvider);
    private readonly Option<int> _opens = new("--limit-opens")
    {
        Description = "Channels opened in an hour without your asking",
        DefaultValueFactory = _ => Default.OpensPerHour,
        HelpName = "N",
    };

    private readonly Option<int> _standby = new("--standby-after")
    {
        Description = "Requests to one provider in an hour after which a second one gets a channel too, so that failover need not wait (0: never)",
        DefaultValueFactory = _ => Default.StandbyAfter,
        HelpName = "N",
    };

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_deposit, _request, _day, _key, _provider, _opens, _standby])
        {
            command.Options.Add(option);
        }
    }

    /// <exception cref="CliException">An amount is negative or beyond reason.</exception>
    public SpendOptions Read(ParseResult parse) => new()
    {
        Deposit = TonAmount.ToNanoton(parse.GetValue(_deposit)),
        PerRequest = TonAmount.ToNanoton(parse.GetValue(_request)),
        PerDay = TonAmount.ToNanoton(parse.GetValue(_day)),
        PerKeyPerDay = parse.GetValue(_key) is { } limit ? TonAmount.ToNanoton(limit) : null,
        DepositCapPerProvider = TonAmount.ToNanoton(parse.GetValue(_provider)),
        StandbyAfter = Math.Clamp(parse.GetValue(_standby), 0, 1_000),
        OpensPerHour = parse.GetValue(_opens) is >= 0 and <= 1_000 and var opens ? opens : throw new CliException(ExitCode.Usage, "--limit-opens takes 0 to 1000"),
    };

    private static Option<decimal> Ton(string name, string what, ulong nanoton) => new(name)
    {
        Description = $"TON {what}",
        DefaultValueFactory = _ => nanoton / 1_000_000_000m,
        HelpName = "TON",
    };
}
