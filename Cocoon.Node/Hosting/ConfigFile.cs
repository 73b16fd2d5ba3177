using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Cocoon.Node.Cli;

namespace Cocoon.Node.Hosting;

/// <summary>A node's options from a JSON file with the same names, such as <c>{ "model": "qwen3-8b", "price-out": 0.18, "lan": true }</c>.</summary>
/// <remarks>What is typed on the command line wins. The file is read before parsing and becomes arguments, so each option has one meaning.</remarks>
internal static class ConfigFile
{
    public const string Option = "--config";
    public const int MaxSize = 64 << 10;

    private static readonly JsonDocumentOptions Reading = new()
    {
        AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip, MaxDepth = 4, AllowDuplicateProperties = false,
    };

    /// <summary>The arguments with those of the file that <c>--config</c> names appended; unchanged without one.</summary>
    /// <exception cref="CliException">The file is missing or malformed.</exception>
    public static IReadOnlyList<string> Expand(IReadOnlyList<string> arguments)
    {
        if (!IsNamed(arguments, out string? path))
        {
            return arguments;
        }

        HashSet<string> typed = [.. arguments.Where(a => a.StartsWith("--", StringComparison.Ordinal)).Select(a => a.Split('=')[0])];
        return [.. arguments, .. Read(path).Where(o => !typed.Contains(o.Name)).SelectMany(o => o.Arguments)];
    }

    /// <summary>What to tell when the file of a command line holds something that is no option of the command; <c>null</c> when all are.</summary>
    /// <exception cref="CliException">As <see cref="Expand"/>.</exception>
    public static CliException? FindUnknown(IReadOnlyList<string> arguments, Command command)
    {
        HashSet<string> known = [.. command.Options.SelectMany(o => o.Aliases.Prepend(o.Name))];
        return IsNamed(arguments, out string? path) && known.Contains(Option) && Read(path).FirstOrDefault(o => !known.Contains(o.Name)).Name is { } name
            ? new CliException(
                ExitCode.Usage, $"'{name[2..]}' in {path} is no option of 'cocoon {command.Name}'", null, $"See 'cocoon {command.Name} --help': the file has its options' names, without the dashes.")
            : null;
    }

    /// <summary>Options of a file with their values as arguments.</summary>
    /// <exception cref="CliException">As <see cref="Expand"/>.</exception>
    public static IReadOnlyList<(string Name, IReadOnlyList<string> Arguments)> Read(string? path)
    {
        if (path is null || !File.Exists(path))
        {
            throw new CliException(ExitCode.NotFound, $"there is no configuration file {path}", null, "Name a JSON file with --config FILE.");
        }

        try
        {
            byte[] bytes = new FileInfo(path).Length <= MaxSize ? File.ReadAllBytes(path) : throw new FormatException("it is longer than 64 KiB");
            using JsonDocument document = JsonDocument.Parse(bytes, Reading);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new FormatException("an object is expected");
            }

            return [.. document.RootElement.EnumerateObject().Select(p => ("--" + p.Name, Value("--" + p.Name, p.Value)))];
        }
        catch (Exception exception) when (exception is JsonException or FormatException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            throw new CliException(
                ExitCode.Usage, $"{path} is no configuration file", exception.Message, "It holds options by their names: { \"model\": \"qwen3-8b\", \"price-out\": 0.18, \"lan\": true }");
        }
    }

    /// <summary>Somebody who wrote an option down believes that it is in force.</summary>
    private static IReadOnlyList<string> Value(string name, JsonElement value) =>
        name == Option ? throw new FormatException("a configuration file names no other")
            : value.ValueKind == JsonValueKind.Null || (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0) ? throw new FormatException($"{name[2..]} has no value: leave it out")
            : Arguments(name, value);

    private static bool IsNamed(IReadOnlyList<string> arguments, out string? path)
    {
        int at = arguments.ToList().FindIndex(a => a == Option || a.StartsWith(Option + "=", StringComparison.Ordinal));
        path = at < 0 ? null : arguments[at] != Option ? arguments[at][(Option.Length + 1)..] : at + 1 < arguments.Count ? arguments[at + 1] : null;
        return at >= 0;
    }

    private static IReadOnlyList<string> Arguments(string name, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => [name],
        JsonValueKind.False => [],
        JsonValueKind.String => [name, value.GetString()!],
        JsonValueKind.Number => [name, value.GetDecimal().ToString(CultureInfo.InvariantCulture)],
        JsonValueKind.Array => [.. value.EnumerateArray().SelectMany(v => v.ValueKind is JsonValueKind.Array or JsonValueKind.Object
            ? throw new FormatException($"{name[2..]} holds a list of lists")
            : Arguments(name, v))],
        _ => throw new FormatException($"{name[2..]} is no value of an option"),
    };
}
