using System.Text;
using Cocoon.Enclave.Inference.LlamaCpp;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference;

/// <summary>Texts of one endless word, for models whose pre-tokenizer is a regular expression: llama.cpp's ends the process on them.</summary>
public sealed class LongWordTests
{
    public const string Verb = "read-long-words";

    private const int Length = 100_000;

    private static readonly string[] PreTokenizers =
        ["deepseek-llm", "deepseek-coder", "deepseek-v3", "gpt-4o", "tekken", "falcon", "starcoder", "bloom", "viking", "chatglm-bpe", "kimi-k2", "qwen2", "llama-bpe", "gpt-2"];

    /// <summary>What such expressions take as one word: letters, blanks, line ends, digits, signs, and kinds in turn.</summary>
    private static readonly string[] Words = ["a", "A", "é", "中", "\u0301", "𐍈", " ", "\n", "\r\n", " \n", "7", "!", "/\n", "!/", "a1", "aB"];

    /// <summary>For each model that standard input names: how many tokens each long word has, as prompt and as input of embeddings.</summary>
    public static async Task<int> RunAsync(TextReader input, TextWriter output)
    {
        while (await input.ReadLineAsync() is { } path)
        {
            LlamaCppOptions options = new() { ModelPath = path, Slots = 1, ContextPerRequest = 4096, BatchTokens = 32, Threads = 1, Gpu = GpuPlacement.CpuOnly, CheckTensors = false };
            await using LoadedVocabulary loaded = await LoadedVocabulary.LoadAsync(options);
            List<int> counts = [];
            foreach (string word in Words)
            {
                string text = string.Concat(Enumerable.Repeat(word, Length / word.Length));
                List<int> tokens = [];
                loaded.Vocabulary.Tokenize(text, tokens);
                counts.Add(loaded.Vocabulary.TokenizeWhole(text).Length >= tokens.Count ? tokens.Count : -1);
            }

            await output.WriteLineAsync(string.Join(' ', counts));
        }

        return 0;
    }

    [Test, CancelAfter(120_000)]
    public async Task Tokenize_OneEndlessWord_IsReadByEveryPreTokenizer(CancellationToken cancellationToken)
    {
        TestEngine.RequireNatives();
        byte[] model = await File.ReadAllBytesAsync(TestModel.Ensure(), cancellationToken);
        string path = Path.Combine(Path.GetTempPath(), $"cocoon-words-{Guid.NewGuid():N}.gguf");
        using ToolProcess tool = ToolProcess.Start(Verb);
        try
        {
            foreach (string pre in PreTokenizers)
            {
                await File.WriteAllBytesAsync(path, GgufWriter.WithText(model, "tokenizer.ggml.pre", pre), cancellationToken);
                await tool.WriteLineAsync(path);
                string? counts = await tool.ReadLineAsync(cancellationToken);
                Assert.That(counts, Is.Not.Null, $"{pre}: the process ended");

                // Each of the test model's tokens is several letters at most, and no text is lost between two pieces.
                Assert.That(counts!.Split(' ').Select(int.Parse), Has.All.GreaterThan(Length / 16), pre);
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Test]
    public void FirstPiece_OrdinaryText_IsAllOfIt()
    {
        string prose = string.Concat(Enumerable.Repeat("The fox, 17 of them; \"jumps\"!\n\n\tint x = (a + b) * 3; // and so on\n", 2000));
        Assert.That(WordBreaks.FirstPiece(prose), Is.EqualTo(prose.Length));
    }

    [TestCase("a", TestName = "FirstPiece_Letters_AreCutAtTheBound")]
    [TestCase("𐍈", TestName = "FirstPiece_Surrogates_AreNotHalved")]
    public void FirstPiece_LongWord_IsBound(string letter)
    {
        string text = string.Concat(Enumerable.Repeat(letter, 3000)) + " end";
        int length = WordBreaks.FirstPiece(text);
        Assert.That(length, Is.InRange(WordBreaks.MaxWord - 1, WordBreaks.MaxWord));
        Assert.That(char.IsLowSurrogate(text[length]), Is.False);
    }

    [Test]
    public void FirstPiece_TextWithoutBlanks_IsCutWhereTheKindOfCharacterChanges()
    {
        string text = string.Concat(Enumerable.Repeat("人工智能的隐私保护很重要。", 400));
        int length = WordBreaks.FirstPiece(text);
        Assert.That(length, Is.InRange(WordBreaks.MaxWord / 2, WordBreaks.MaxWord));
        Assert.That(text[length - 1] == '。' ^ text[length] == '。', Is.True);
    }

    [Test]
    public void Pieces_OfAnyText_AreThatText()
    {
        Random random = new(5);
        string[] parts = ["a", " ", "b c", "\n", "1", "中", "𐍈", "!", "é"];
        for (int round = 0; round < 50; round++)
        {
            string text = string.Concat(Enumerable.Range(0, 300).Select(_ => string.Concat(Enumerable.Repeat(parts[random.Next(parts.Length)], random.Next(1, 60)))));
            StringBuilder joined = new();
            for (ReadOnlySpan<char> rest = text; !rest.IsEmpty;)
            {
                int length = WordBreaks.FirstPiece(rest);
                Assert.That(length, Is.GreaterThan(0));
                joined.Append(rest[..length]);
                rest = rest[length..];
            }

            Assert.That(joined.ToString(), Is.EqualTo(text));
        }
    }

    private sealed class LoadedVocabulary(LlamaModel model) : IAsyncDisposable
    {
        public Vocabulary Vocabulary => model.Vocabulary;

        public static Task<LoadedVocabulary> LoadAsync(LlamaCppOptions options) =>
            LoadedModel.LoadAsync(options, NullLogger.Instance, loaded => new LoadedVocabulary(loaded.Model), CancellationToken.None);

        public ValueTask DisposeAsync()
        {
            model.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
