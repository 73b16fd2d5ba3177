namespace Cocoon.Enclave.Inference.LlamaCpp;

/// <summary>Finds the longest special token at a place in text.</summary>
internal sealed class SpecialTokens
{
    private readonly Dictionary<char, (string Text, int Id)[]> _byFirst;

    public SpecialTokens(IEnumerable<(string Text, int Id)> tokens) =>
        _byFirst = tokens.GroupBy(t => t.Text[0]).ToDictionary(g => g.Key, g => g.OrderByDescending(t => t.Text.Length).ToArray());

    public bool TryMatch(ReadOnlySpan<char> text, out int length, out int id)
    {
        if (!text.IsEmpty && _byFirst.TryGetValue(text[0], out (string Text, int Id)[]? candidates))
        {
            foreach ((string candidate, int token) in candidates)
            {
                if (text.StartsWith(candidate, StringComparison.Ordinal))
                {
                    (length, id) = (candidate.Length, token);
                    return true;
                }
            }
        }

        (length, id) = (0, 0);
        return false;
    }
}
