using System.Collections.Immutable;
using System.Text.Json;
using Cocoon.Enclave.Inference;

namespace Cocoon.Enclave.Sessions;

/// <summary>The body of an embeddings request: one text or token list, or an array of either.</summary>
internal static class EmbeddingRequestReader
{
    private const int MaxDimensions = 65_536;

    /// <exception cref="OpenAiRequestException">What is wrong, and with which field.</exception>
    public static EmbeddingRequest Read(ReadOnlyMemory<byte> body, EngineCapabilities capabilities) => OpenAiRequestReader.Read(body, root => Read(root, capabilities));

    private static EmbeddingRequest Read(JsonElement root, EngineCapabilities capabilities)
    {
        if (!capabilities.HasFlag(EngineCapabilities.Embeddings))
        {
            throw new OpenAiRequestException("This model has no embeddings.", "model", "unsupported_endpoint", 404);
        }

        if (!root.TryField("input", out JsonElement input))
        {
            throw new OpenAiRequestException("'input' is missing.", "input");
        }

        return new EmbeddingRequest
        {
            Inputs = ReadInputs(input),
            Dimensions = (int?)root.Integer("dimensions", 1, MaxDimensions),
        };
    }

    private static ImmutableArray<PromptInput> ReadInputs(JsonElement input)
    {
        if (input.ValueKind == JsonValueKind.String || (input.ValueKind == JsonValueKind.Array && input.GetArrayLength() > 0 && input[0].ValueKind == JsonValueKind.Number))
        {
            return [ReadOne(input)];
        }

        return input.ValueKind == JsonValueKind.Array && input.GetArrayLength() is > 0 and <= RequestChecks.MaxInputs
            ? [.. input.EnumerateArray().Select(ReadOne)]
            : throw Malformed();
    }

    private static PromptInput ReadOne(JsonElement input) => input.ValueKind switch
    {
        JsonValueKind.String when input.GetString() is { Length: > 0 } text => new PromptInput.Text(text),
        JsonValueKind.Array when input.GetArrayLength() > 0 && input.EnumerateArray().All(t => t.ValueKind == JsonValueKind.Number && t.TryGetInt32(out int id) && id >= 0) =>
            new PromptInput.Tokens([.. input.EnumerateArray().Select(t => t.GetInt32())]),
        _ => throw Malformed(),
    };

    private static OpenAiRequestException Malformed() =>
        new($"'input' must be a text, a list of token ids, or an array of 1 to {RequestChecks.MaxInputs} of either, none of them empty.", "input");
}
