using System.Text;
using System.Text.RegularExpressions;

namespace Cocoon.Tests.Support;

internal enum TestModelMode
{
    /// <summary>Embeddings and head encode a successor table: the model says <see cref="TestModel.Sentence"/> and ends.</summary>
    Chain,

    /// <summary>As <see cref="Chain"/>, but what it says is a thought, then a call of <c>look</c>: <see cref="TestModel.Call"/>.</summary>
    Caller,

    /// <summary>Every weight random: logits depend on the whole context, so any cache or batching mistake changes the output.</summary>
    Random,

    /// <summary>Random weights and a pooling type: a model that makes vectors, the mean of its outputs.</summary>
    Embedding,
}

internal enum TestModelSize
{
    /// <summary>3.4 M parameters, 7 MB.</summary>
    Tiny,

    /// <summary>34 M parameters.</summary>
    Small,

    /// <summary>254 M parameters.</summary>
    Bench,
}

internal enum TestModelWeights
{
    F16,
    Q8,
    Q4,
}

/// <summary>Writes real GGUF files of the Llama architecture, so that no test downloads one.</summary>
internal static partial class TestModel
{
    public const string Sentence = "Cocoon keeps every prompt private while people share their idle GPUs around the world.";

    /// <summary>No token stands in it twice, so that a table of successors can say it.</summary>
    public const string Call = "<think>Maybe look there.</think><tool_call>{\"name\":\"look\",\"arguments\":{}}</tool_call>";

    public const string ChatTemplate =
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"
        + "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    private const int Revision = 2;

    private const string Corpus = Sentence + """
         A node serves models from its own machine and earns for each token it gives back.
        Requests travel sealed, so that relays learn nothing about what was asked or what was answered. One batch holds many
        sequences at once; when a sequence ends its slot is free for the next request. The quick brown fox jumps over the lazy
        dog. 0123456789 {"name": "value", "list": [1, 2, 3], "ok": true, "none": null}
        system user assistant tool function arguments

        """;

    private static readonly string[] Specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>"];
    private static readonly Lock Gate = new();

    /// <summary>Path of the model, written on first use and kept in the repository's ignored <c>artifacts/</c>.</summary>
    public static string Ensure(
        TestModelMode mode = TestModelMode.Chain, TestModelSize size = TestModelSize.Tiny, TestModelWeights weights = TestModelWeights.F16)
    {
        string folder = Path.Combine(TestPaths.RepositoryRoot, "artifacts", "models");
        string path = Path.Combine(folder, $"test-{mode}-{size}-{weights}-r{Revision}.gguf".ToLowerInvariant());
        lock (Gate)
        {
            if (!File.Exists(path))
            {
                Directory.CreateDirectory(folder);
                string partial = $"{path}.{Environment.ProcessId}";
                using (FileStream file = new(partial, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20))
                {
                    Write(file, mode, size, weights);
                }

                File.Move(partial, path, overwrite: true);
            }
        }

        return path;
    }

    /// <param name="says">What a chain model says instead of <see cref="Sentence"/>: no token may stand in it twice.</param>
    public static void Write(Stream target, TestModelMode mode, TestModelSize size, TestModelWeights weights, string? says = null)
    {
        (int layers, int embd, int heads, int kv, int ff, int context) = size switch
        {
            TestModelSize.Tiny => (4, 256, 8, 4, 768, 4096),
            TestModelSize.Small => (8, 512, 8, 4, 1536, 8192),
            _ => (16, 1024, 16, 8, 2816, 8192),
        };
        List<(string Left, string Right)> merges = mode == TestModelMode.Caller ? TrainMerges(Specials.Aggregate(Call, (text, mark) => text.Replace(mark, "\n", StringComparison.Ordinal)) + Corpus, 2000) : TrainMerges(Corpus, 700);
        List<string> tokens = [.. Enumerable.Range(0, 256).Select(b => ByteSymbol((byte)b)).Concat(merges.Select(m => m.Left + m.Right)).Distinct()];
        int firstSpecial = tokens.Count;
        tokens.AddRange(Specials);
        int end = firstSpecial + 2;
        using GgufWriter gguf = new();
        gguf.Add("general.architecture", "llama");
        gguf.Add("general.name", $"cocoon-test-{mode}-{size}".ToLowerInvariant());
        gguf.Add("general.file_type", weights switch { TestModelWeights.F16 => 1u, TestModelWeights.Q4 => 2u, _ => 7u });
        gguf.Add("general.license", "MIT");
        gguf.Add("llama.vocab_size", (uint)tokens.Count);
        gguf.Add("llama.context_length", (uint)context);
        gguf.Add("llama.embedding_length", (uint)embd);
        gguf.Add("llama.block_count", (uint)layers);
        gguf.Add("llama.feed_forward_length", (uint)ff);
        gguf.Add("llama.rope.dimension_count", (uint)(embd / heads));
        gguf.Add("llama.attention.head_count", (uint)heads);
        gguf.Add("llama.attention.head_count_kv", (uint)kv);
        gguf.Add("llama.attention.layer_norm_rms_epsilon", 1e-5f);
        gguf.Add("llama.rope.freq_base", 10000f);
        if (mode == TestModelMode.Embedding)
        {
            gguf.Add("llama.pooling_type", 1u);
        }

        gguf.Add("tokenizer.ggml.model", "gpt2");
        gguf.Add("tokenizer.ggml.pre", "gpt-2");
        gguf.Add("tokenizer.ggml.tokens", tokens);
        gguf.Add("tokenizer.ggml.token_type", [.. Enumerable.Range(0, tokens.Count).Select(i => i < firstSpecial ? 1 : i < firstSpecial + 3 ? 3 : 4)]);
        gguf.Add("tokenizer.ggml.bos_token_id", (uint)firstSpecial);
        gguf.Add("tokenizer.ggml.eos_token_id", (uint)end);
        gguf.Add("tokenizer.ggml.eot_token_id", (uint)end);
        gguf.Add("tokenizer.ggml.add_bos_token", false);
        gguf.Add("tokenizer.chat_template", ChatTemplate);
        gguf.Add("tokenizer.ggml.merges", [.. merges.Select(m => m.Left + " " + m.Right)]);

        Random random = new(7);
        GgufWeights type = weights switch { TestModelWeights.F16 => GgufWeights.F16, TestModelWeights.Q8 => GgufWeights.Q8, _ => GgufWeights.Q4 };
        void Noise(string name, int columns, int rows, double deviation) =>
            gguf.Add(name, type, columns, rows, () => GgufWriter.Noise(random, type, (long)columns * rows, deviation));
        void Ones(string name) =>
            gguf.Add(name, GgufWeights.F32, embd, 0, () => GgufWriter.Pack(GgufWeights.F32, [.. Enumerable.Repeat(1f, embd)]));
        void Residual(string name, int columns, int rows, double deviation)
        {
            if (mode is TestModelMode.Random or TestModelMode.Embedding)
            {
                Noise(name, columns, rows, deviation);
            }
            else
            {
                gguf.Add(name, type, columns, rows, () => new byte[GgufWriter.ByteSize(type, (long)columns * rows)]);
            }
        }

        if (mode is TestModelMode.Random or TestModelMode.Embedding)
        {
            Noise("token_embd.weight", embd, tokens.Count, 0.6);
            Noise("output.weight", embd, tokens.Count, 2.2 / Math.Sqrt(embd));
        }
        else
        {
            GgufWeights table = type == GgufWeights.Q4 ? GgufWeights.Q8 : type;
            (float[] embedding, float[] output) = SuccessorTables(random, tokens, merges, embd, end, says ?? (mode == TestModelMode.Caller ? Call : Sentence));
            gguf.Add("token_embd.weight", table, embd, tokens.Count, () => GgufWriter.Pack(table, embedding));
            gguf.Add("output.weight", table, embd, tokens.Count, () => GgufWriter.Pack(table, output));
        }

        Ones("output_norm.weight");
        double w = 1 / Math.Sqrt(embd);
        int head = embd / heads;
        for (int layer = 0; layer < layers; layer++)
        {
            string b = $"blk.{layer}.";
            Ones(b + "attn_norm.weight");
            Ones(b + "ffn_norm.weight");
            Noise(b + "attn_q.weight", embd, embd, 2 * w);
            Noise(b + "attn_k.weight", embd, head * kv, 2 * w);
            Noise(b + "attn_v.weight", embd, head * kv, w);
            Residual(b + "attn_output.weight", embd, embd, w);
            Noise(b + "ffn_gate.weight", embd, ff, w);
            Noise(b + "ffn_up.weight", embd, ff, w);
            Residual(b + "ffn_down.weight", ff, embd, 1 / Math.Sqrt(ff));
        }

        gguf.WriteTo(target);
    }

    private static (float[] Embedding, float[] Output) SuccessorTables(
        Random random, List<string> tokens, List<(string Left, string Right)> merges, int embd, int end, string spokenText)
    {
        const int biasDimensions = 16; // constant in every embedding: through them the head sees a bias
        Dictionary<string, int> ids = tokens.Select((t, i) => (t, i)).ToDictionary(x => x.t, x => x.i);
        Dictionary<(string, string), int> ranks = merges.Select((m, i) => (m, i)).ToDictionary(x => x.m, x => x.i);
        float[] embedding = new float[tokens.Count * embd];
        float[] output = new float[tokens.Count * embd];
        for (int i = 0; i < embedding.Length; i++)
        {
            embedding[i] = i % embd < biasDimensions || random.Next(2) == 0 ? 0.5f : -0.5f;
        }

        void Edge(int from, int to, double weight)
        {
            // After RMS norm every |x| is 1, so the dot product with the row is the weight itself.
            float gain = (float)(weight / (embd - biasDimensions) * 2);
            for (int d = biasDimensions; d < embd; d++)
            {
                output[(to * embd) + d] += gain * embedding[(from * embd) + d];
            }
        }

        List<int> sentence = EncodeMarked(spokenText, ranks, ids);
        int newline = ids[ByteSymbol((byte)'\n')];
        HashSet<int> spoken = [];
        foreach ((int from, int to) in sentence.Prepend(newline).Zip(sentence.Append(end)))
        {
            Edge(from, to, 14);
            spoken.Add(from);
        }

        List<int> rest = Encode(Corpus[Sentence.Length..], ranks, ids);
        foreach (IGrouping<(int From, int To), (int, int)> pair in rest.Zip(rest.Skip(1)).GroupBy(p => (p.First, p.Second)))
        {
            Edge(pair.Key.From, pair.Key.To, (spoken.Contains(pair.Key.From) ? 10.5 : 12) + Math.Log(pair.Count()));
        }

        for (int d = 0; d < biasDimensions; d++)
        {
            output[(sentence[0] * embd) + d] += 8f / biasDimensions; // a token without successor leads into the sentence
        }

        return (embedding, output);
    }

    private static List<(string Left, string Right)> TrainMerges(string corpus, int wanted)
    {
        Dictionary<string, (List<string> Symbols, int Count)> words = [];
        foreach (Match match in Word().Matches(corpus))
        {
            int count = words.TryGetValue(match.Value, out (List<string> Symbols, int Count) known) ? known.Count : 0;
            words[match.Value] = (Symbols(match.Value), count + 1);
        }

        List<(string Left, string Right)> merges = [];
        while (merges.Count < wanted)
        {
            Dictionary<(string, string), int> pairs = [];
            foreach ((List<string> symbols, int count) in words.Values)
            {
                for (int i = 1; i < symbols.Count; i++)
                {
                    (string, string) pair = (symbols[i - 1], symbols[i]);
                    pairs[pair] = pairs.GetValueOrDefault(pair) + count;
                }
            }

            if (pairs.Count == 0)
            {
                break;
            }

            (string Left, string Right) best = pairs
                .OrderByDescending(p => p.Value)
                .ThenByDescending(p => p.Key.Item1, StringComparer.Ordinal)
                .ThenByDescending(p => p.Key.Item2, StringComparer.Ordinal)
                .First().Key;
            merges.Add(best);
            foreach ((List<string> symbols, int _) in words.Values)
            {
                Merge(symbols, best);
            }
        }

        return merges;
    }

    private static List<int> EncodeMarked(string text, Dictionary<(string, string), int> ranks, Dictionary<string, int> ids)
    {
        List<int> encoded = [];
        while (text.Length > 0)
        {
            int mark = Specials.Select(s => text.IndexOf(s, StringComparison.Ordinal)).Where(i => i >= 0).DefaultIfEmpty(text.Length).Min();
            encoded.AddRange(Encode(text[..mark], ranks, ids));
            text = text[mark..];
            if (Specials.FirstOrDefault(s => text.StartsWith(s, StringComparison.Ordinal)) is { } special)
            {
                encoded.Add(ids[special]);
                text = text[special.Length..];
            }
        }

        return encoded;
    }

    private static List<int> Encode(string text, Dictionary<(string, string), int> ranks, Dictionary<string, int> ids)
    {
        List<int> encoded = [];
        foreach (Match match in Word().Matches(text))
        {
            List<string> symbols = Symbols(match.Value);
            while (symbols.Count > 1)
            {
                (string, string) best = symbols.Zip(symbols.Skip(1)).MinBy(p => ranks.GetValueOrDefault(p, int.MaxValue));
                if (!ranks.ContainsKey(best))
                {
                    break;
                }

                Merge(symbols, best);
            }

            encoded.AddRange(symbols.Select(s => ids[s]));
        }

        return encoded;
    }

    private static void Merge(List<string> symbols, (string Left, string Right) pair)
    {
        for (int i = 0; i + 1 < symbols.Count; i++)
        {
            if (symbols[i] == pair.Left && symbols[i + 1] == pair.Right)
            {
                symbols[i] = pair.Left + pair.Right;
                symbols.RemoveAt(i + 1);
            }
        }
    }

    private static List<string> Symbols(string text) => [.. Encoding.UTF8.GetBytes(text).Select(ByteSymbol)];

    /// <summary>GPT-2's printable stand-in for a byte.</summary>
    private static string ByteSymbol(byte value)
    {
        if (IsPrintable(value))
        {
            return ((char)value).ToString();
        }

        int before = Enumerable.Range(0, value).Count(b => !IsPrintable((byte)b));
        return ((char)(256 + before)).ToString();
    }

    private static bool IsPrintable(byte b) => b is (>= 33 and <= 126) or (>= 161 and <= 172) or >= 174;

    [GeneratedRegex(@" ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+")]
    private static partial Regex Word();
}
