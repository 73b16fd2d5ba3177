using System.Globalization;

namespace Cocoon.Enclave.Inference.LlamaCpp;

/// <summary>Cuts a text where a word in it is too long for llama.cpp to look at in one go.</summary>
/// <remarks>
/// Most families' pre-tokenizers (DeepSeek's, gpt-oss', Mistral's …) are regular expressions that llama.cpp hands to
/// <c>std::regex</c>, which calls itself for every character of a match, with some 400 bytes of stack each: 60,000 letters, blanks or
/// ideographs in a row end the process. A match ends where a space follows something else and a letter follows it, in every such
/// expression; between two of these places a text is cut after <see cref="MaxWord"/> characters, where the kind of character changes if
/// it does. Texts without such words stay whole and get the tokens that the model was trained on.
/// </remarks>
internal static class WordBreaks
{
    /// <summary>Characters of a word: a stack of 1.5 MB, .NET's on some systems, holds twice as many.</summary>
    public const int MaxWord = 2048;

    /// <summary>Length of the first piece; all of the text where nothing has to be cut.</summary>
    public static int FirstPiece(ReadOnlySpan<char> text)
    {
        int word = 0;
        for (int i = 1; i < text.Length; i++)
        {
            if (text[i] == ' ' && !char.IsWhiteSpace(text[i - 1]) && i + 1 < text.Length && char.IsLetter(text[i + 1]))
            {
                word = i;
            }
            else if (i - word >= MaxWord)
            {
                return Cut(text, i);
            }
        }

        return text.Length;
    }

    /// <summary>The last change between kinds of characters in the second half of a word that ends here, else here.</summary>
    private static int Cut(ReadOnlySpan<char> text, int end)
    {
        for (int i = end; i > end - (MaxWord / 2); i--)
        {
            if (Kind(text[i - 1]) != Kind(text[i]))
            {
                return i;
            }
        }

        return char.IsLowSurrogate(text[end]) ? end - 1 : end;
    }

    private static int Kind(char c) => CharUnicodeInfo.GetUnicodeCategory(c) switch
    {
        <= UnicodeCategory.EnclosingMark => 0, // letters and what is set upon them
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => 1,
        UnicodeCategory.SpaceSeparator or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Control => 2,
        UnicodeCategory.Surrogate => 3, // its halves stay together
        _ => 4,
    };
}
