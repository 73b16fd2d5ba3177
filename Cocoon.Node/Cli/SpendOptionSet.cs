using System.CommandLine;
using Cocoon.Node.Payments;

namespace Cocoon.Node.Cli;

/// <summary>Options of a client that limit what leaves its wallet without asking.</summary>
internal sealed class SpendOptionSet
{
    private static readonly SpendOptions Default = new();

    private readonly Option<TonAmount> _deposit = TonAmount.Option("--deposit", "TON put into a new channel, and added when one runs low", Default.Deposit);
    private readonly Option<TonAmount> _request = TonAmount.Option("--limit-request", "TON that one request may cost", Default.PerRequest);
    private readonly Option<TonAmount> _day = TonAmount.Option("--limit-day", "TON that may be spent in a UTC day", Default.PerDay);
    private readonly Option<TonAmount?> _key = TonAmount.Option("--limit-key-day", "TON that one application key may spend in a UTC day (default: no limit of its own)");
    private readonly Option<TonAmount> _provider = TonAmount.Option("--limit-provider", "TON tied up with one provider", Default.DepositCapPerProvider);
    private readonly Option<int> _opens = new Option<int>("--limit-opens")
    {
        Description = "Channels opened in an hour without your asking",
        DefaultValueFactory = _ => Default.OpensPerHour,
        HelpName = "N",
    }.Within(0, 1_000);

    private readonly Option<int> _standby = new Option<int>("--standby-after")
    {
        Description = "Requests to one provider in an hour after which a second one gets a channel too, so that failover need not wait (0: never)",
        DefaultValueFactory = _ => Default.StandbyAfter,
        HelpName = "N",
    }.Within(0, 1_000);

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_deposit, _request, _day, _key, _provider, _opens, _standby])
        {
            command.Options.Add(option);
        }
    }

    public SpendOptions Read(ParseResult parse) => new()
    {
        Deposit = parse.GetValue(_deposit).Nanoton is > 0 and var deposit
            ? deposit
            : throw new CliException(ExitCode.Usage, "--deposit 0 opens no channel", "an answer is paid from a channel's deposit", $"Leave it out for {MoneyWords.Ton(Default.Deposit)} TON, or give more than 0."),
        PerRequest = parse.GetValue(_request).Nanoton,
        PerDay = parse.GetValue(_day).Nanoton,
        PerKeyPerDay = parse.GetValue(_key)?.Nanoton,
        DepositCapPerProvider = parse.GetValue(_provider).Nanoton,
        StandbyAfter = parse.GetValue(_standby),
        OpensPerHour = parse.GetValue(_opens),
    };
}
