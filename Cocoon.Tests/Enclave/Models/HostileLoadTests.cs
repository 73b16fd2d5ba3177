using System.Text;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp;
using Cocoon.Enclave.Models;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Models;

/// <summary>Model files with one impossible number each: our reader refuses them, or llama.cpp does, and neither brings the process down.</summary>
public sealed class HostileLoadTests
{
    public const string Verb = "load-models";

    /// <summary>Of the test model; and how llama.cpp writes that there is no such token.</summary>
    private const uint VocabularySize = 528, NoToken = uint.MaxValue;

    private static readonly string[] Integers =
    [
        "llama.vocab_size", "llama.context_length", "llama.embedding_length", "llama.block_count", "llama.feed_forward_length", "llama.rope.dimension_count",
        "llama.attention.head_count", "llama.attention.head_count_kv", "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
    ];

    private static readonly string[] Reals = ["llama.attention.layer_norm_rms_epsilon", "llama.rope.freq_base"];

    /// <summary>Loads each file that standard input names, and runs one short generation where that works.</summary>
    public static async Task<int> RunAsync(TextReader input, TextWriter output)
    {
        while (await input.ReadLineAsync() is { } path)
        {
            string outcome;
            try
            {
                LlamaCppOptions options = new() { ModelPath = path, Slots = 1, ContextPerRequest = 64, BatchTokens = 32, Threads = 1, Gpu = GpuPlacement.CpuOnly, CheckTensors = false };
                await using LlamaCppEngine engine = await LlamaCppEngine.LoadAsync(options, NullLogger<LlamaCppEngine>.Instance, TimeProvider.System, CancellationToken.None);
                Collected answer = await engine.CollectAsync(TestEngine.Text("Hi", 3));
                outcome = $"ran {answer.Tokens[0].Count}";
            }
            catch (Exception e) when (e is GgufException or EngineException)
            {
                outcome = e.GetType().Name;
            }

            await output.WriteLineAsync(outcome);
        }

        return 0;
    }

    [Test, CancelAfter(180_000)]
    public async Task Load_OneNumberChanged_IsRefusedWhereItIsImpossible_AndNeverEndsTheProcess(CancellationToken cancellationToken)
    {
        TestEngine.RequireNatives();
        byte[] model = await File.ReadAllBytesAsync(TestModel.Ensure(), cancellationToken);
        string path = Path.Combine(Path.GetTempPath(), $"cocoon-hostile-{Guid.NewGuid():N}.gguf");
        List<string> wrong = [];
        ToolProcess tool = ToolProcess.Start(Verb);
        try
        {
            foreach ((string what, byte[] damaged, bool isPossible) in Mutations(model))
            {
                await File.WriteAllBytesAsync(path, damaged, cancellationToken);
                await tool.WriteLineAsync(path);
                string? outcome = await tool.ReadLineAsync(cancellationToken);
                if (isPossible ? outcome != "ran 3" : outcome is not (nameof(GgufException) or nameof(EngineException)))
                {
                    wrong.Add($"{what}: {outcome ?? "the process ended"}");
                }

                if (outcome is null)
                {
                    tool.Dispose();
                    tool = ToolProcess.Start(Verb);
                }
            }
        }
        finally
        {
            tool.Dispose();
            File.Delete(path);
        }

        Assert.That(wrong, Is.Empty);
    }

    /// <summary>Numbers that a model may have: the tokenizer's list says how many tokens there are, none may end or begin a text, and a division by the root of a mean needs no addend.</summary>
    private static bool IsPossible(string key, uint value) => key switch
    {
        "llama.vocab_size" => true,
        "llama.context_length" => value is > 0 and < 0x7FFFFFFF,
        _ => key.EndsWith("_token_id", StringComparison.Ordinal) && (value is < VocabularySize or NoToken),
    };

    private static IEnumerable<(string What, byte[] Model, bool IsPossible)> Mutations(byte[] model)
    {
        foreach (string key in Integers)
        {
            foreach (uint value in (uint[])[0, 1, 3, 7, 4097, 0x7FFFFFFF, 0xFFFFFFFF])
            {
                yield return ($"{key} = {value}", With(model, key, BitConverter.GetBytes(value)), IsPossible(key, value));
            }
        }

        foreach (string key in Reals)
        {
            foreach (float value in (float[])[0, -1, float.NaN, float.PositiveInfinity])
            {
                yield return ($"{key} = {value}", With(model, key, BitConverter.GetBytes(value)), value == 0 && key == Reals[0]);
            }
        }
    }

    /// <summary>The file with the four bytes of one value replaced.</summary>
    private static byte[] With(byte[] model, string key, byte[] value)
    {
        byte[] name = [.. BitConverter.GetBytes((ulong)key.Length), .. Encoding.UTF8.GetBytes(key)];
        int at = model.AsSpan().IndexOf(name) + name.Length + sizeof(uint);
        byte[] damaged = [.. model];
        Assert.That(at, Is.GreaterThan(name.Length + sizeof(uint)), key);
        value.CopyTo(damaged, at);
        return damaged;
    }
}
