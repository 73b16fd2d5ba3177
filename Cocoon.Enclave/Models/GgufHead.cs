using System.Collections.Immutable;
using Cocoon.Protocol.Inference;

namespace Cocoon.Enclave.Models;

/// <summary>The checked head of one GGUF file.</summary>
internal sealed class GgufHead(
    int version, IReadOnlyDictionary<string, GgufValue> values, ImmutableArray<GgufTensor> tensors, long metadataLength, long dataOffset, long fileSize)
{
    // llama_pooling_type of llama.cpp.
    private const int MeanPooling = 1;
    private const int FirstTokenPooling = 2;
    private const int LastTokenPooling = 3;

    // LLAMA_MAX_EXPERTS of llama.cpp.
    private const int MaxExperts = 512;

    public int Version { get; } = version;

    public IReadOnlyDictionary<string, GgufValue> Values { get; } = values;

    public ImmutableArray<GgufTensor> Tensors { get; } = tensors;

    /// <summary>Bytes of header, key-values and tensor table, without padding.</summary>
    public long MetadataLength { get; } = metadataLength;

    public long DataOffset { get; } = dataOffset;

    public long FileSize { get; } = fileSize;

    /// <inheritdoc cref="GgufReader.Read(Microsoft.Win32.SafeHandles.SafeFileHandle)"/>
    public static GgufHead ReadFile(string path)
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(path);
        return GgufReader.Read(file);
    }

    public string? Text(string key) => Values.TryGetValue(key, out GgufValue v) ? v.Text : null;

    /// <summary>An integer of any width, or <c>null</c> when the key is absent or not an integer.</summary>
    public long? Integer(string key) =>
        Values.TryGetValue(key, out GgufValue v) && v.Type is not (GgufType.String or GgufType.Array or GgufType.Float32 or GgufType.Float64)
            ? v.Integer : null;

    public string Architecture => Text("general.architecture") ?? "";

    public string? ChatTemplate => Text("tokenizer.chat_template");

    /// <summary>Whether the file is of a model that turns text into vectors: it says how its outputs are pooled.</summary>
    public bool IsEmbedding => Integer($"{Architecture}.pooling_type") is MeanPooling or FirstTokenPooling or LastTokenPooling;

    /// <summary>What llama.cpp divides by, allocates from or indexes with must be sane before it sees the file.</summary>
    /// <exception cref="GgufException">A missing or impossible value.</exception>
    public void RequireLoadable()
    {
        string arch = Architecture;
        if (arch.Length is 0 or > 64 || arch.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.')))
        {
            throw new GgufException(GgufErrorCode.MissingKey, "it does not say which architecture it is of: general.architecture is missing or no name");
        }

        Within($"{arch}.block_count", 1, 4096);
        long embedding = Within($"{arch}.embedding_length", 1, 1 << 20);
        Within($"{arch}.context_length", 1, 1 << 30);
        if (Integer($"{arch}.attention.head_count") is { } heads && (heads is < 0 or > 65_536 || heads > embedding))
        {
            throw new GgufException(GgufErrorCode.BadValue, $"{arch}.attention.head_count is {heads}, which is impossible beside an embedding of {embedding}");
        }

        if (Integer($"{arch}.attention.head_count_kv") is < 0 or > 65_536)
        {
            throw new GgufException(GgufErrorCode.BadValue, $"{arch}.attention.head_count_kv is out of range");
        }

        // llama.cpp asserts on these, and an assertion ends the process.
        RequireReal($"{arch}.attention.layer_norm_rms_epsilon", 0);
        RequireReal($"{arch}.attention.layer_norm_epsilon", 0);
        RequireReal($"{arch}.rope.freq_base", 0);
        RequireReal($"{arch}.rope.scaling.factor", 0);
        long experts = Integer($"{arch}.expert_count") ?? 0;
        if (experts is < 0 or > MaxExperts || (Integer($"{arch}.expert_used_count") ?? 0) is var used && (used < 0 || used > experts))
        {
            throw new GgufException(GgufErrorCode.BadValue, $"{arch}.expert_count or expert_used_count is out of range");
        }

        if (Text($"{arch}.rope.scaling.type") is not (null or "none" or "linear" or "yarn" or "longrope"))
        {
            throw new GgufException(GgufErrorCode.BadValue, $"{arch}.rope.scaling.type is unknown");
        }

        RequireVocabulary();
        if (Integer("split.count") is > 1 and var parts && parts is < 0 or > ModelManifest.MaxFiles)
        {
            throw new GgufException(GgufErrorCode.BadValue, "split.count is out of range");
        }

        if (Tensors.IsEmpty)
        {
            throw new GgufException(GgufErrorCode.BadTensor, "it holds no weights: perhaps it is a vocabulary alone, or the first part of a model whose other parts hold them");
        }
    }

    private void RequireVocabulary()
    {
        if (!Values.TryGetValue("tokenizer.ggml.tokens", out GgufValue tokens) || tokens.ElementType != GgufType.String || tokens.Count == 0)
        {
            throw new GgufException(GgufErrorCode.MissingKey, "it has no vocabulary: tokenizer.ggml.tokens is missing");
        }

        // llama.cpp asserts on that, and reads a token up to its first zero byte. Bytes that are no text all read alike here and are left to it.
        HashSet<string> seen = new(tokens.Count, StringComparer.Ordinal);
        if (tokens.Strings.Select(t => t.Split('\0')[0]).Any(t => t.Length > 0 && !seen.Add(t) && !t.Contains('\uFFFD', StringComparison.Ordinal)))
        {
            throw new GgufException(GgufErrorCode.Duplicate, "tokenizer.ggml.tokens holds the same token twice");
        }

        foreach (string table in (ReadOnlySpan<string>)["tokenizer.ggml.token_type", "tokenizer.ggml.scores"])
        {
            GgufType element = table.EndsWith("scores", StringComparison.Ordinal) ? GgufType.Float32 : GgufType.Int32;
            if (Values.TryGetValue(table, out GgufValue v) && (v.Type != GgufType.Array || v.ElementType != element || v.Count != tokens.Count))
            {
                throw new GgufException(GgufErrorCode.BadValue, $"{table} does not have an entry of the right kind for each of the {tokens.Count} tokens");
            }
        }

        if (Values.TryGetValue("tokenizer.ggml.merges", out GgufValue merges)
            && (merges.ElementType != GgufType.String || merges.Strings.Any(m => m.IndexOf(' ', StringComparison.Ordinal) < 0 || m.Length > 4096)))
        {
            throw new GgufException(GgufErrorCode.BadValue, "tokenizer.ggml.merges has an entry that is not a pair");
        }

        foreach ((string key, GgufValue value) in Values)
        {
            // -1 and all ones mean "none" in files of different ages.
            if (key.StartsWith("tokenizer.ggml.", StringComparison.Ordinal) && key.EndsWith("_token_id", StringComparison.Ordinal)
                && Integer(key) is var id && (id is null || (id != -1 && id != uint.MaxValue && (id < 0 || id >= tokens.Count))))
            {
                throw new GgufException(GgufErrorCode.BadValue, $"{key} names a token that is not in the vocabulary");
            }
        }
    }

    /// <summary>A number that is there must be finite and not below <paramref name="least"/>.</summary>
    private void RequireReal(string key, double least)
    {
        if (Values.TryGetValue(key, out GgufValue value) && !(double.IsFinite(value.Number) && value.Number >= least))
        {
            throw new GgufException(GgufErrorCode.BadValue, $"{key} is out of range");
        }
    }

    private long Within(string key, long least, long most)
    {
        long value = Integer(key) ?? throw new GgufException(GgufErrorCode.MissingKey, $"it does not say {key}, which the engine needs");
        return value >= least && value <= most ? value : throw new GgufException(GgufErrorCode.BadValue, $"{key} is {value}");
    }
}
