using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Enclave.Hardening;
using Cocoon.Enclave.Models;

namespace Cocoon.Enclave;

/// <summary>
/// Reads a model file for the host, in a process that may not do anything else: files come from strangers, and what the enclave would
/// refuse to load should be refused when it is downloaded.
/// </summary>
internal static class ModelDescriber
{
    public const string Argument = "--describe";
    public const int ExitRefused = 65;

    /// <summary>One JSON document on <paramref name="output"/>: the facts, or <c>error</c> with a word and a sentence.</summary>
    /// <param name="hash">Also read all files: SHA-256 of each and the model id.</param>
    public static async Task<int> RunAsync(string path, bool hash, IProcessProtection protection, TextWriter output, CancellationToken cancellationToken)
    {
        protection.ApplyEarly();
        protection.ApplyFilter();
        JsonObject document;
        int exit = EnclaveHost.ExitOk;
        try
        {
            document = await DescribeAsync(path, hash, cancellationToken);
        }
        catch (Exception e) when (e is GgufException or IOException or UnauthorizedAccessException)
        {
            document = new JsonObject { ["error"] = e is GgufException refused ? refused.Code.ToString() : "Unreadable", ["message"] = e.Message };
            exit = ExitRefused;
        }

        await output.WriteLineAsync(document.ToJsonString(JsonSerializerOptions.Default));
        await output.FlushAsync(cancellationToken);
        return exit;
    }

    private static async Task<JsonObject> DescribeAsync(string path, bool hash, CancellationToken cancellationToken)
    {
        GgufHead head = GgufHead.ReadFile(path);
        head.RequireLoadable();
        string arch = head.Architecture;
        ModelFiles? files = hash ? await ModelFiles.OpenAsync(path, null, cancellationToken) : null;
        long heads = head.Integer($"{arch}.attention.head_count") ?? 0, embedding = head.Integer($"{arch}.embedding_length") ?? 0;
        JsonObject document = new()
        {
            ["name"] = head.Text("general.name"),
            ["architecture"] = arch,
            ["quantisation"] = ModelDescription.Quantization(head),
            ["parameters"] = head.Tensors.Sum(t => t.Dimensions.Aggregate(1L, (product, n) => product * n)),
            ["tensor_bytes"] = head.Tensors.Sum(t => t.Size),
            ["layers"] = head.Integer($"{arch}.block_count"),
            ["embedding_length"] = embedding,
            ["context_length"] = head.Integer($"{arch}.context_length"),
            ["key_value_heads"] = head.Integer($"{arch}.attention.head_count_kv") ?? heads,
            ["key_length"] = head.Integer($"{arch}.attention.key_length") ?? (heads > 0 ? embedding / heads : 0),
            ["value_length"] = head.Integer($"{arch}.attention.value_length") ?? (heads > 0 ? embedding / heads : 0),
            ["vocabulary"] = head.Values["tokenizer.ggml.tokens"].Count,
            ["chat_template"] = head.ChatTemplate is not null,
            ["licence"] = head.Text("general.license"),
            ["split_count"] = head.Integer("split.count") ?? 1,
        };
        if (files is not null)
        {
            document["model_id"] = files.Manifest.Id.ToString();
            document["files"] = new JsonArray(
            [
                .. files.Paths.Zip(files.Manifest.Files, (file, entry) => new JsonObject
                {
                    ["name"] = Path.GetFileName(file),
                    ["size"] = entry.Size,
                    ["sha256"] = Convert.ToHexStringLower(entry.Sha256.AsSpan()),
                }),
            ]);
        }

        return document;
    }
}
