using System.CommandLine;
using System.CommandLine.Parsing;

namespace Cocoon.Node.Cli;

/// <summary>Refuses an argument or option that is given as nothing.</summary>
/// <remarks>
/// Nearly always it is an unset variable of a script. Taken as a value it would be another question than the one that was meant: an
/// empty prompt that is paid, a key without limits to its tiers, the first of all channels.
/// </remarks>
internal static class BlankValues
{
    /// <summary>For the command and everything below it.</summary>
    public static T RefuseBlankValues<T>(this T command)
        where T : Command
    {
        foreach (Argument argument in command.Arguments)
        {
            argument.Validators.Add(result => Check(result, argument.Name.ToUpperInvariant(), result.Tokens));
        }

        foreach (Option option in command.Options)
        {
            option.Validators.Add(result => Check(result, option.Name, result.Tokens));
        }

        foreach (Command below in command.Subcommands)
        {
            below.RefuseBlankValues();
        }

        return command;
    }

    private static void Check(SymbolResult result, string name, IReadOnlyList<Token> tokens)
    {
        if (tokens.Any(t => string.IsNullOrWhiteSpace(t.Value)))
        {
            result.AddError($"{name} is empty");
        }
    }
}
