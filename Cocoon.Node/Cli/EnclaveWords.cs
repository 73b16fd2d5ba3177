using System.Globalization;

namespace Cocoon.Node.Cli;

/// <summary>The words of the enclave's own command line: flags, and names that a value follows.</summary>
internal sealed class EnclaveWords
{
    private readonly List<(string Name, string Value)> _words = [];

    /// <exception cref="FormatException">A word that is none of these, or a name at the end without its value.</exception>
    public EnclaveWords(ReadOnlySpan<string> words, IReadOnlyCollection<string> flags, IReadOnlyCollection<string> names)
    {
        for (int i = 0; i < words.Length; i++)
        {
            string word = words[i];
            if (flags.Contains(word))
            {
                _words.Add((word, ""));
            }
            else if (names.Contains(word) && i + 1 < words.Length)
            {
                _words.Add((word, words[++i]));
            }
            else
            {
                throw new FormatException($"{word} is no word of the enclave, or its value is missing");
            }
        }
    }

    public bool Has(string name) => _words.Exists(w => w.Name == name);

    /// <summary>The value said last, or <c>null</c>.</summary>
    public string? Value(string name) => _words.FindLast(w => w.Name == name).Value;

    public IReadOnlyList<string> Values(string name) => [.. _words.FindAll(w => w.Name == name).ConvertAll(w => w.Value)];

    /// <summary>0 when it was not said.</summary>
    /// <exception cref="FormatException">Not a whole number from 0 on.</exception>
    public int Number(string name) => Value(name) is { } value ? Number(name, value) : 0;

    /// <inheritdoc cref="Number(string)"/>
    public IReadOnlyList<int> Numbers(string name) => [.. _words.FindAll(w => w.Name == name).ConvertAll(w => Number(name, w.Value))];

    private static int Number(string name, string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : throw new FormatException($"{name} is a whole number, not {value}");
}
