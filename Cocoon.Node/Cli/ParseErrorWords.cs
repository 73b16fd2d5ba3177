using System.CommandLine;
using System.CommandLine.Parsing;

namespace Cocoon.Node.Cli;

/// <summary>What is wrong with a command line, without the names of this program's types.</summary>
internal static class ParseErrorWords
{
    /// <summary>How the parser's own words go on when a value cannot be converted: with the name of a type.</summary>
    private const string OfType = "as expected type '";

    /// <summary>The parser's words for a command that only holds others, given alone.</summary>
    private const string NoVerb = "Required command was not provided.";

    /// <summary>One line per mistake; a value that is empty is that and nothing else.</summary>
    public static IReadOnlyList<string> Of(ParseResult parsed)
    {
        HashSet<string> blank = [.. parsed.Errors.Where(e => IsBlank(e.SymbolResult)).Select(e => e.Message).Where(m => m.EndsWith(" is empty", StringComparison.Ordinal))];
        return [.. parsed.Errors.Where(e => !IsBlank(e.SymbolResult) || blank.Contains(e.Message)).Select(Of).Distinct()];
    }

    private static string Of(ParseError error) => error is { Message: NoVerb, SymbolResult: CommandResult { Command: { Subcommands.Count: > 0 } parent } }
        ? $"'{parent.Name}' needs one of these after it: {string.Join(", ", parent.Subcommands.Where(c => !c.Hidden).Select(c => c.Name))}"
        : TypeOf(error.SymbolResult) is { } type && error.Message.Contains(OfType, StringComparison.Ordinal)
        ? $"'{string.Join(' ', error.SymbolResult!.Tokens.Select(t => t.Value))}' is no {WordFor(type)}: {NameOf(error.SymbolResult)}"
        : error.Message;

    private static bool IsBlank(SymbolResult? result) => result is not null and not CommandResult && result.Tokens.Count > 0 && result.Tokens.All(t => string.IsNullOrWhiteSpace(t.Value));

    private static Type? TypeOf(SymbolResult? result) => result switch
    {
        OptionResult option => option.Option.ValueType,
        ArgumentResult { Parent: OptionResult option } => option.Option.ValueType,
        ArgumentResult argument => argument.Argument.ValueType,
        _ => null,
    };

    private static string NameOf(SymbolResult? result) => result switch
    {
        OptionResult option => option.Option.Name,
        ArgumentResult { Parent: OptionResult option } => option.Option.Name,
        ArgumentResult argument => argument.Argument.Name.ToUpperInvariant(),
        _ => "the command line",
    };

    private static string WordFor(Type type)
    {
        Type single = type.IsArray ? type.GetElementType()! : type;
        Type value = Nullable.GetUnderlyingType(single) ?? single;
        return value switch
        {
            _ when value == typeof(decimal) || value == typeof(double) || value == typeof(float) => "number",
            _ when value == typeof(uint) || value == typeof(ulong) || value == typeof(ushort) => "whole number from 0 on",
            _ when value.IsPrimitive && value != typeof(bool) => "whole number",
            _ when value == typeof(bool) => "true or false",
            _ when value == typeof(FileInfo) || value == typeof(DirectoryInfo) => "file name",
            _ => "value of this kind",
        };
    }
}
