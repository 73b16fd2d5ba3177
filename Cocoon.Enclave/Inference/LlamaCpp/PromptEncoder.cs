using System.Runtime.InteropServices;
using System.Text;
using Cocoon.Enclave.Inference.Templates;

namespace Cocoon.Enclave.Inference.LlamaCpp;

/// <summary>Rendered prompts and plain text to tokens.</summary>
/// <remarks>
/// Special tokens are looked for only where the template wrote them. What lies between two of them is tokenized as one piece, template
/// text and input together, so that an honest message gets the tokens that the model was trained on; a message that spells out
/// <c>&lt;|im_end|&gt;</c> gets the tokens of those letters.
/// </remarks>
internal static class PromptEncoder
{
    public static List<int> Encode(Vocabulary vocabulary, RenderedPrompt prompt)
    {
        List<int> tokens = [];
        StringBuilder run = new();
        foreach (PromptSegment segment in prompt.Segments)
        {
            ReadOnlySpan<char> rest = segment.Text;
            if (segment.IsInput)
            {
                AppendInput(vocabulary, rest, run, tokens);
                continue;
            }

            int plain = 0;
            for (int i = 0; i < rest.Length;)
            {
                if (!vocabulary.Specials.TryMatch(rest[i..], out int length, out int id))
                {
                    i++;
                    continue;
                }

                run.Append(rest[plain..i]);
                Flush(vocabulary, run, tokens);
                tokens.Add(id);
                plain = i += length;
            }

            run.Append(rest[plain..]);
        }

        Flush(vocabulary, run, tokens);
        PrependBos(vocabulary, tokens);
        return tokens;
    }

    public static List<int> EncodeText(Vocabulary vocabulary, string text)
    {
        List<int> tokens = [];
        StringBuilder run = new();
        AppendInput(vocabulary, text, run, tokens);
        Flush(vocabulary, run, tokens);
        PrependBos(vocabulary, tokens);
        return tokens;
    }

    private static void AppendInput(Vocabulary vocabulary, ReadOnlySpan<char> input, StringBuilder run, List<int> tokens)
    {
        int plain = 0;
        for (int i = 0; i < input.Length; i++)
        {
            // llama.cpp matches user-defined tokens in plain text as well; cutting after the first letter keeps them letters.
            if (vocabulary.Structural.TryMatch(input[i..], out _, out _))
            {
                run.Append(input[plain..(i + 1)]);
                Flush(vocabulary, run, tokens);
                plain = i + 1;
            }
        }

        run.Append(input[plain..]);
    }

    private static void Flush(Vocabulary vocabulary, StringBuilder run, List<int> tokens)
    {
        if (run.Length == 0)
        {
            return;
        }

        char[] text = new char[run.Length];
        run.CopyTo(0, text, text.Length);
        vocabulary.Tokenize(text, tokens);
        run.Clear();
    }

    private static void PrependBos(Vocabulary vocabulary, List<int> tokens)
    {
        if (vocabulary.AddsBos && (tokens.Count == 0 || CollectionsMarshal.AsSpan(tokens)[0] != vocabulary.Bos))
        {
            tokens.Insert(0, vocabulary.Bos);
        }
    }
}
