using System.CommandLine;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Payments;

namespace Cocoon.Node.Cli;

/// <summary>Options that many commands share, with one meaning each.</summary>
internal static class CommonOptions
{
    public static string DefaultDataDirectory =>
        Environment.GetEnvironmentVariable("COCOON_DATA") is { Length: > 0 } configured
            ? configured
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cocoon");

    public static string[] OutputWords { get; } = ["table", "json", "jsonl", "csv"];

    public static Option<string> Data() => new("--data")
    {
        Description = "Data directory of the node (default: $COCOON_DATA, else ~/.cocoon)",
        DefaultValueFactory = _ => DefaultDataDirectory,
        HelpName = "DIR",
    };

    public static Option<string> Network(string description)
    {
        Option<string> option = new("--network") { Description = description, DefaultValueFactory = _ => Networks.Devnet.Name };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var name }] && !Networks.TryGet(name, out _))
            {
                result.AddError($"there is no network '{name}': devnet, testnet and mainnet are known");
            }
        });
        return option;
    }

    public static Option<OutputFormat> Output()
    {
        Option<OutputFormat> option = new("--output", "-o")
        {
            Description = "table (for people), json (one document), jsonl (one object per row) or csv",
            DefaultValueFactory = _ => OutputFormat.Table,
        };
        return option.AcceptOnlyFromAmong(OutputWords);
    }

    public static Option<bool> Yes() => new("--yes", "-y") { Description = "Do not ask before an on-chain action" };
}
