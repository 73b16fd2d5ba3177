using System.Text.Json;
using Cocoon.Node.Payments;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi;

/// <summary>What the light client itself needs to know of a request; the enclave reads and judges the rest.</summary>
/// <param name="Messages">Number of messages, for the bound on template tokens; 0 where there are none.</param>
/// <param name="Ignored">Names of top-level fields that mean nothing here.</param>
internal sealed record AskRequest(
    SealedRequest.Types.Endpoint Endpoint, string Model, bool Stream, bool IncludeUsage, uint? MaxTokens, int Messages, uint Choices, CocoonExtension Cocoon, string? User,
    IReadOnlyList<string> Ignored)
{
    public const int MaxBodyBytes = 4 << 20;
    public const int MaxMessages = 4096;
    private const uint MaxMaxTokens = 1 << 20;
    private const uint MaxChoices = 8;

    /// <summary>The field without which a request of this kind says nothing.</summary>
    private string Subject => Endpoint switch
    {
        SealedRequest.Types.Endpoint.ChatCompletions => "messages",
        SealedRequest.Types.Endpoint.Embeddings => "input",
        _ => "prompt",
    };

    /// <summary>Reads the fields used here; returns the error to send when the request is malformed.</summary>
    public static OpenAiError? Read(JsonElement root, SealedRequest.Types.Endpoint endpoint, out AskRequest? request)
    {
        request = null;
        if (RequestFields.Refused(root, endpoint) is { } refused)
        {
            return refused;
        }

        if (JsonBody.Text(root, "model") is not { Length: > 0 and <= 256 } model)
        {
            return OpenAiError.BadRequest("'model' must be a string that names a model.", "model");
        }

        if (!JsonBody.TryBoolean(root, "stream", out bool stream))
        {
            return OpenAiError.BadRequest("'stream' must be a boolean.", "stream");
        }

        bool usage = false;
        if (JsonBody.TryField(root, "stream_options", out JsonElement options)
            && (options.ValueKind != JsonValueKind.Object || !JsonBody.TryBoolean(options, "include_usage", out usage)))
        {
            return OpenAiError.BadRequest("'stream_options' must be an object.", "stream_options");
        }

        if (Number(root, "max_tokens", MaxMaxTokens, out uint? old) is { } oldError)
        {
            return oldError;
        }

        if (Number(root, "max_completion_tokens", MaxMaxTokens, out uint? limit) is { } limitError)
        {
            return limitError;
        }

        if (Number(root, "n", MaxChoices, out uint? choices) is { } choicesError)
        {
            return choicesError;
        }

        if (CocoonExtension.TryParse(root, out CocoonExtension extension) is { } error)
        {
            return error;
        }

        AskRequest read = new(
            endpoint, model, stream, usage, limit ?? old, 0, choices ?? 1, extension, JsonBody.Text(root, "user"),
            RequestFields.Ignored(root, endpoint));
        return read.ReadSubject(root, out request);
    }

    public Ask ToAsk(ReadOnlyMemory<byte> body, ClientDefaults defaults, ApiCaller caller) => new(
        Endpoint,
        Model,
        body,
        MaxTokens,
        Messages,
        Cocoon.Shape ?? defaults.Shape,
        (Cocoon.AllowOpenTier ?? defaults.AllowOpenTier) && (caller.Tiers is null || caller.Tiers.Contains("open")),
        Cocoon.Provider,
        caller.TenantSecret(User),
        Cocoon.Relays)
    {
        Choices = Choices,
        Tiers = caller.Tiers,
        Budget = caller.Budget,
        Spender = SpenderKey.Of(caller.Identity),
    };

    private OpenAiError? ReadSubject(JsonElement root, out AskRequest? request)
    {
        request = null;
        if (!JsonBody.TryField(root, Subject, out JsonElement subject))
        {
            return OpenAiError.BadRequest($"'{Subject}' is missing.", Subject);
        }

        if (Endpoint == SealedRequest.Types.Endpoint.ChatCompletions
            && (subject.ValueKind != JsonValueKind.Array || subject.GetArrayLength() is not (> 0 and <= MaxMessages)))
        {
            return OpenAiError.BadRequest($"'messages' must be an array of 1 to {MaxMessages} messages.", "messages");
        }

        request = this with { Messages = Endpoint == SealedRequest.Types.Endpoint.ChatCompletions ? subject.GetArrayLength() : 0 };
        return null;
    }

    private static OpenAiError? Number(JsonElement root, string field, uint most, out uint? value)
    {
        value = null;
        if (!JsonBody.TryField(root, field, out JsonElement element))
        {
            return null;
        }

        if (element.ValueKind != JsonValueKind.Number || !element.TryGetUInt32(out uint number) || number == 0 || number > most)
        {
            return OpenAiError.BadRequest($"'{field}' must be an integer from 1 to {most}.", field);
        }

        value = number;
        return null;
    }
}

/// <summary>What holds when a request says nothing.</summary>
internal sealed record ClientDefaults(Shape Shape, bool AllowOpenTier);
