using System.Text.RegularExpressions;

namespace Cocoon.Node.Models;

/// <summary>Names of stored models: what a person types and what a folder can be called.</summary>
internal static partial class ModelName
{
    public const int MaxLength = 96;

    public static bool IsValid(string name) => Valid().IsMatch(name);

    /// <summary>A name from a file name: lower case, without extension and split suffix.</summary>
    public static string FromFile(string fileName)
    {
        string stem = SplitSuffix().Replace(Path.GetFileNameWithoutExtension(fileName), "").ToLowerInvariant();
        string name = Foreign().Replace(stem, "-").Trim('-', '.', '_');
        return name.Length == 0 ? "model" : name[..Math.Min(name.Length, MaxLength)];
    }

    [GeneratedRegex("^[a-z0-9][a-z0-9._-]{0,95}$")]
    private static partial Regex Valid();

    [GeneratedRegex(@"-\d{5}-of-\d{5}$")]
    private static partial Regex SplitSuffix();

    [GeneratedRegex("[^a-z0-9._-]+")]
    private static partial Regex Foreign();
}
