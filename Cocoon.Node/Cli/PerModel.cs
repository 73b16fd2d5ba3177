using System.CommandLine;

namespace Cocoon.Node.Cli;

/// <summary>Options that may be given once for all models or once for each, in the order of <c>--model</c>.</summary>
internal static class PerModel
{
    /// <summary>A value that belongs to no model is one that somebody believes to be in force.</summary>
    /// <exception cref="CliException">An option was given more often than there are models.</exception>
    public static void RefuseSurplus(ParseResult parse, int models, IEnumerable<Option> options)
    {
        foreach (Option option in options)
        {
            if (parse.GetResult(option) is { Implicit: false, Tokens.Count: var given } && given > models)
            {
                throw new CliException(
                    ExitCode.Usage, $"{option.Name} was given {given} times for {(models == 1 ? "one model" : $"{models} models")}", "the n-th value belongs to the n-th --model", "Give it once for all models, or once for each.");
            }
        }
    }

    /// <summary>The n-th value; the only one when one was given; <paramref name="otherwise"/> without any.</summary>
    /// <exception cref="CliException">Several values, and none for this model.</exception>
    public static T Value<T>(ParseResult parse, Option<T[]> option, int model, T otherwise)
    {
        T[] values = parse.GetValue(option) ?? [];
        return values.Length == 0 ? otherwise
            : values.Length == 1 ? values[0]
            : model < values.Length ? values[model]
            : throw new CliException(
                ExitCode.Usage, $"{option.Name} was given {values.Length} times and there are more models", "the n-th value belongs to the n-th --model", "Give it once for all models, or once for each.");
    }
}
