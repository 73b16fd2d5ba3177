using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Cocoon.Enclave.Inference;

namespace Cocoon.Enclave.Sessions;

/// <summary>Turns the JSON of an OpenAI request into a request to the engine. Unknown fields are ignored.</summary>
internal static class OpenAiRequestReader
{
    private const int MaxMessages = 4096;
    private const int MaxStops = 16;
    private const int MaxStopBytes = 256;
    private const int MaxBias = 1024;

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 64 };

    /// <exception cref="OpenAiRequestException">What is wrong, and with which field.</exception>
    public static GenerationRequest ReadChat(ReadOnlyMemory<byte> body, TenantKey tenant, EngineCapabilities capabilities) =>
        Read(body, root => ReadChat(root, tenant, capabilities));

    /// <inheritdoc cref="ReadChat(ReadOnlyMemory{byte}, TenantKey, EngineCapabilities)"/>
    public static GenerationRequest ReadCompletion(ReadOnlyMemory<byte> body, TenantKey tenant, EngineCapabilities capabilities) =>
        Read(body, root => ReadCompletion(root, tenant, capabilities));

    private static GenerationRequest ReadChat(JsonElement root, TenantKey tenant, EngineCapabilities capabilities)
    {
        Refuse(root, "functions", "audio", "web_search_options");
        bool logprobs = root.Boolean("logprobs") ?? false;
        long top = root.Integer("top_logprobs", 0, 20) ?? 0;
        if (top > 0 && !logprobs)
        {
            throw new OpenAiRequestException("'top_logprobs' needs 'logprobs' to be true.", "top_logprobs");
        }

        PromptInput.Chat chat = new(ReadMessages(root)) { TemplateArguments = ReadTemplateArguments(root) };
        return ReadCommon(root, ChatToolReader.Read(root, chat, capabilities), tenant) with
        {
            MaxTokens = (int?)(root.Integer("max_completion_tokens", 1, int.MaxValue) ?? root.Integer("max_tokens", 1, int.MaxValue)),
            Constraint = ResponseFormatReader.Read(root, capabilities),
            Sampling = ReadSampling(root) with { Logprobs = logprobs, TopLogprobs = (int)top },
        };
    }

    private static GenerationRequest ReadCompletion(JsonElement root, TenantKey tenant, EngineCapabilities capabilities)
    {
        Refuse(root, "suffix");
        long? logprobs = root.Integer("logprobs", 0, 5);
        return ReadCommon(root, ReadPrompt(root), tenant) with
        {
            Constraint = ResponseFormatReader.Read(root, capabilities),

            // The completions endpoint has always defaulted to 16.
            MaxTokens = (int)(root.Integer("max_tokens", 1, int.MaxValue) ?? 16),
            Sampling = ReadSampling(root) with { Logprobs = logprobs is not null, TopLogprobs = (int)(logprobs ?? 0) },
        };
    }

    /// <exception cref="OpenAiRequestException">No JSON object, or what <paramref name="read"/> finds.</exception>
    internal static T Read<T>(ReadOnlyMemory<byte> body, Func<JsonElement, T> read)
    {
        try
        {
            RequireUnicode(body.Span);
            using JsonDocument document = JsonDocument.Parse(body, Options);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? read(document.RootElement)
                : throw new OpenAiRequestException("The request body must be a JSON object.");
        }
        catch (JsonException)
        {
            // Its message quotes the text at fault.
            throw new OpenAiRequestException("The request body is not JSON.");
        }
        catch (InvalidOperationException)
        {
            throw new OpenAiRequestException("The request body holds text that is not Unicode.");
        }
    }

    /// <summary>Schemas and tools are read again later, where nobody expects text that is none: half a surrogate pair, or bytes that are no UTF-8.</summary>
    /// <exception cref="InvalidOperationException">There is such text.</exception>
    private static void RequireUnicode(ReadOnlySpan<byte> body)
    {
        if (!Utf8.IsValid(body))
        {
            throw new InvalidOperationException("no UTF-8");
        }

        if (body.IndexOf("\\u"u8) < 0)
        {
            return;
        }

        Utf8JsonReader reader = new(body, new JsonReaderOptions { MaxDepth = Options.MaxDepth, CommentHandling = Options.CommentHandling, AllowTrailingCommas = Options.AllowTrailingCommas });
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && reader.ValueIsEscaped)
            {
                reader.GetString();
            }
        }
    }

    private static GenerationRequest ReadCommon(JsonElement root, PromptInput prompt, TenantKey tenant) => new()
    {
        Prompt = prompt,
        Tenant = tenant,
        Stop = ReadStop(root),
        Choices = (int)(root.Integer("n", 1, 8) ?? 1),
        IgnoreEnd = root.Boolean("ignore_eos") ?? false,
    };

    /// <summary>Fields that ask for something which is not there: ignoring them would answer another question.</summary>
    private static void Refuse(JsonElement root, params ReadOnlySpan<string> fields)
    {
        foreach (string field in fields)
        {
            if (root.TryField(field, out JsonElement value) && !(value.ValueKind == JsonValueKind.String && value.ValueEquals(""u8)))
            {
                throw new OpenAiRequestException($"'{field}' is not supported.", field, "unsupported_parameter");
            }
        }
    }

    private static ImmutableArray<ChatMessage> ReadMessages(JsonElement root)
    {
        if (!root.TryField("messages", out JsonElement messages)
            || messages.ValueKind != JsonValueKind.Array
            || messages.GetArrayLength() is 0 or > MaxMessages)
        {
            throw new OpenAiRequestException("'messages' must be an array of 1 to 4096 messages.", "messages");
        }

        ImmutableArray<ChatMessage>.Builder read = ImmutableArray.CreateBuilder<ChatMessage>(messages.GetArrayLength());
        foreach (JsonElement message in messages.EnumerateArray())
        {
            read.Add(ReadMessage(message, string.Create(CultureInfo.InvariantCulture, $"messages[{read.Count}]")));
        }

        return read.MoveToImmutable();
    }

    private static ChatMessage ReadMessage(JsonElement message, string at)
    {
        if (message.ValueKind != JsonValueKind.Object)
        {
            throw new OpenAiRequestException($"'{at}' must be an object.", at);
        }

        string? role = message.Text("role", at + ".role");
        if (role is not ("system" or "developer" or "user" or "assistant" or "tool"))
        {
            throw new OpenAiRequestException($"'{at}.role' must be system, developer, user, assistant or tool.", at + ".role");
        }

        ImmutableArray<ChatToolCall> calls = role == "assistant" ? ChatToolReader.ReadCalls(message, at) : [];
        return new ChatMessage(role, ReadContent(message, at + ".content", isOptional: role == "assistant"))
        {
            Name = message.Text("name", at + ".name"),
            Reasoning = message.Text("reasoning_content", at + ".reasoning_content"),
            ToolCalls = calls,
            ToolCallId = role == "tool" ? message.Text("tool_call_id", at + ".tool_call_id") : null,
        };
    }

    private static string ReadContent(JsonElement message, string at, bool isOptional)
    {
        if (!message.TryField("content", out JsonElement content))
        {
            return isOptional ? "" : throw new OpenAiRequestException($"'{at}' is missing.", at);
        }

        if (content.ValueKind == JsonValueKind.String)
        {
            return content.GetString()!;
        }

        if (content.ValueKind != JsonValueKind.Array)
        {
            throw new OpenAiRequestException($"'{at}' must be a string or an array of parts.", at);
        }

        StringBuilder text = new();
        foreach (JsonElement part in content.EnumerateArray())
        {
            if (part.ValueKind != JsonValueKind.Object || part.Text("type", at + ".type") != "text")
            {
                throw new OpenAiRequestException($"'{at}' may hold parts of type text only.", at, "unsupported_parameter");
            }

            text.Append(part.Text("text", at + ".text") ?? throw new OpenAiRequestException($"'{at}.text' is missing.", at));
        }

        return text.ToString();
    }

    private static PromptInput ReadPrompt(JsonElement root)
    {
        if (!root.TryField("prompt", out JsonElement prompt))
        {
            throw new OpenAiRequestException("'prompt' is missing.", "prompt");
        }

        if (prompt.ValueKind == JsonValueKind.Array && prompt.GetArrayLength() == 1 && prompt[0].ValueKind == JsonValueKind.String)
        {
            prompt = prompt[0];
        }

        if (prompt.ValueKind == JsonValueKind.String)
        {
            return new PromptInput.Text(prompt.GetString()!);
        }

        return prompt.ValueKind == JsonValueKind.Array && prompt.EnumerateArray().All(t => t.ValueKind == JsonValueKind.Number && t.TryGetInt32(out int id) && id >= 0)
            ? new PromptInput.Tokens([.. prompt.EnumerateArray().Select(t => t.GetInt32())])
            : throw new OpenAiRequestException("'prompt' must be one string or one array of token ids.", "prompt");
    }

    private const double LeastTopP = 1e-6;

    private static SamplingOptions ReadSampling(JsonElement root) => new()
    {
        Temperature = (float)(root.Number("temperature", 0, 2) ?? 1),

        // OpenAI takes 0: the likeliest token alone, which any share above nothing leaves.
        TopP = (float)Math.Max(root.Number("top_p", 0, 1) ?? 1, LeastTopP),
        TopK = (int)(root.Integer("top_k", -1, int.MaxValue) is { } k and > 0 ? k : 0),
        MinP = (float)(root.Number("min_p", 0, 1) ?? 0),
        FrequencyPenalty = (float)(root.Number("frequency_penalty", -2, 2) ?? 0),
        PresencePenalty = (float)(root.Number("presence_penalty", -2, 2) ?? 0),
        RepetitionPenalty = (float)(root.Number("repetition_penalty", 0.01, 10) ?? 1),
        Seed = root.Integer("seed", long.MinValue, long.MaxValue) is { } seed ? unchecked((ulong)seed) : null,
        LogitBias = ReadBias(root),
    };

    private static ImmutableDictionary<int, float> ReadBias(JsonElement root)
    {
        if (!root.TryField("logit_bias", out JsonElement bias))
        {
            return ImmutableDictionary<int, float>.Empty;
        }

        if (bias.ValueKind != JsonValueKind.Object)
        {
            throw new OpenAiRequestException("'logit_bias' must be an object from token ids to numbers.", "logit_bias");
        }

        ImmutableDictionary<int, float>.Builder read = ImmutableDictionary.CreateBuilder<int, float>();
        foreach (JsonProperty entry in bias.EnumerateObject())
        {
            if (!int.TryParse(entry.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int token)
                || entry.Value.ValueKind != JsonValueKind.Number
                || !entry.Value.TryGetSingle(out float value)
                || value is < -100 or > 100
                || read.Count >= MaxBias)
            {
                throw new OpenAiRequestException("'logit_bias' maps token ids to numbers from -100 to 100.", "logit_bias");
            }

            read[token] = value;
        }

        return read.ToImmutable();
    }

    private static ImmutableArray<string> ReadStop(JsonElement root)
    {
        if (!root.TryField("stop", out JsonElement stop))
        {
            return [];
        }

        JsonElement[] values = stop.ValueKind == JsonValueKind.Array ? [.. stop.EnumerateArray()] : [stop];
        bool valid = values.Length <= MaxStops
            && values.All(v => v.ValueKind == JsonValueKind.String && Encoding.UTF8.GetByteCount(v.GetString()!) is > 0 and <= MaxStopBytes);
        return valid
            ? [.. values.Select(v => v.GetString()!)]
            : throw new OpenAiRequestException("'stop' must be one string or up to 16, each of 1 to 256 bytes.", "stop");
    }

    private static ImmutableDictionary<string, JsonElement> ReadTemplateArguments(JsonElement root)
    {
        ImmutableDictionary<string, JsonElement>.Builder arguments = ImmutableDictionary.CreateBuilder<string, JsonElement>();
        if (root.TryField("chat_template_kwargs", out JsonElement given))
        {
            if (given.ValueKind != JsonValueKind.Object || given.EnumerateObject().Count() > 32)
            {
                throw new OpenAiRequestException("'chat_template_kwargs' must be an object of at most 32 entries.", "chat_template_kwargs");
            }

            foreach (JsonProperty entry in given.EnumerateObject())
            {
                arguments[entry.Name] = entry.Value.Clone();
            }
        }

        if (root.TryField("reasoning_effort", out JsonElement effort))
        {
            arguments["reasoning_effort"] = effort.Clone();
        }

        return arguments.ToImmutable();
    }
}
