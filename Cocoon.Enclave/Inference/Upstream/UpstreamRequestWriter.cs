using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace Cocoon.Enclave.Inference.Upstream;

/// <summary>Our request in the words of an upstream server. Written anew, field by field: nothing of a client's passes through unseen.</summary>
internal static class UpstreamRequestWriter
{
    /// <exception cref="EngineException">The server has no word for something that was asked.</exception>
    public static ReadOnlyMemory<byte> Write(GenerationRequest request, string model, UpstreamTraits traits)
    {
        ArrayBufferWriter<byte> body = new(4 << 10);
        using (Utf8JsonWriter json = new(body, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("model", model);
            WritePrompt(json, request.Prompt);
            json.WriteBoolean("stream", true);
            json.WriteStartObject("stream_options");
            json.WriteBoolean("include_usage", true);
            if (traits.CountsAsItGoes)
            {
                json.WriteBoolean("continuous_usage_stats", true);
            }

            json.WriteEndObject();
            WriteSampling(json, request, traits);
            WriteConstraint(json, request.Constraint);
            WriteIsolation(json, request, traits);
            json.WriteEndObject();
        }

        return body.WrittenMemory;
    }

    private static void WritePrompt(Utf8JsonWriter json, PromptInput prompt)
    {
        switch (prompt)
        {
            case PromptInput.Text text:
                json.WriteString("prompt", text.Value);
                break;
            case PromptInput.Tokens tokens:
                json.WriteStartArray("prompt");
                foreach (int id in tokens.Ids)
                {
                    json.WriteNumberValue(id);
                }

                json.WriteEndArray();
                break;
            case PromptInput.Chat chat:
                WriteChat(json, chat);
                break;
        }
    }

    private static void WriteChat(Utf8JsonWriter json, PromptInput.Chat chat)
    {
        json.WriteStartArray("messages");
        foreach (ChatMessage message in chat.Messages)
        {
            WriteMessage(json, message);
        }

        json.WriteEndArray();
        if (!chat.Tools.IsEmpty)
        {
            json.WriteStartArray("tools");
            foreach (ChatTool tool in chat.Tools)
            {
                json.WriteStartObject();
                json.WriteString("type", "function");
                json.WriteStartObject("function");
                json.WriteString("name", tool.Name);
                if (tool.Description is not null)
                {
                    json.WriteString("description", tool.Description);
                }

                if (tool.Parameters is { } parameters)
                {
                    json.WritePropertyName("parameters");
                    parameters.WriteTo(json);
                }

                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
            WriteToolChoice(json, chat);
            json.WriteBoolean("parallel_tool_calls", chat.ParallelToolCalls);
        }

        if (chat.TemplateArguments.TryGetValue("reasoning_effort", out JsonElement effort))
        {
            json.WritePropertyName("reasoning_effort");
            effort.WriteTo(json);
        }

        if (chat.TemplateArguments.Any(a => a.Key != "reasoning_effort"))
        {
            json.WriteStartObject("chat_template_kwargs");
            foreach ((string name, JsonElement value) in chat.TemplateArguments.Where(a => a.Key != "reasoning_effort"))
            {
                json.WritePropertyName(name);
                value.WriteTo(json);
            }

            json.WriteEndObject();
        }
    }

    private static void WriteMessage(Utf8JsonWriter json, ChatMessage message)
    {
        json.WriteStartObject();
        json.WriteString("role", message.Role);
        json.WriteString("content", message.Content);
        if (message.Name is not null)
        {
            json.WriteString("name", message.Name);
        }

        if (message.Reasoning is not null)
        {
            json.WriteString("reasoning_content", message.Reasoning);
        }

        if (message.ToolCallId is not null)
        {
            json.WriteString("tool_call_id", message.ToolCallId);
        }

        if (!message.ToolCalls.IsEmpty)
        {
            json.WriteStartArray("tool_calls");
            foreach (ChatToolCall call in message.ToolCalls)
            {
                json.WriteStartObject();
                json.WriteString("id", call.Id);
                json.WriteString("type", "function");
                json.WriteStartObject("function");
                json.WriteString("name", call.Name);
                json.WriteString("arguments", call.ArgumentsJson);
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void WriteToolChoice(Utf8JsonWriter json, PromptInput.Chat chat)
    {
        if (chat.ToolChoice == ToolChoiceMode.Function)
        {
            json.WriteStartObject("tool_choice");
            json.WriteString("type", "function");
            json.WriteStartObject("function");
            json.WriteString("name", chat.ToolChoiceFunction);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        else
        {
            json.WriteString("tool_choice", chat.ToolChoice switch { ToolChoiceMode.None => "none", ToolChoiceMode.Required => "required", _ => "auto" });
        }
    }

    private static void WriteSampling(Utf8JsonWriter json, GenerationRequest request, UpstreamTraits traits)
    {
        SamplingOptions s = request.Sampling;
        json.WriteNumber("temperature", s.Temperature);
        json.WriteNumber("top_p", s.TopP);
        WriteUnless(json, "frequency_penalty", s.FrequencyPenalty, 0);
        WriteUnless(json, "presence_penalty", s.PresencePenalty, 0);
        if (request.MaxTokens is { } most)
        {
            json.WriteNumber("max_tokens", most);
        }

        WriteUnless(json, "n", request.Choices, 1);
        if (s.Seed is { } seed)
        {
            // Servers read a signed number, some of 32 bits only.
            json.WriteNumber("seed", (long)(seed % int.MaxValue));
        }

        if (!request.Stop.IsEmpty)
        {
            json.WriteStartArray("stop");
            foreach (string stop in request.Stop)
            {
                json.WriteStringValue(stop);
            }

            json.WriteEndArray();
        }

        if (!s.LogitBias.IsEmpty)
        {
            json.WriteStartObject("logit_bias");
            foreach ((int token, float bias) in s.LogitBias)
            {
                json.WriteNumber(token.ToString(CultureInfo.InvariantCulture), bias);
            }

            json.WriteEndObject();
        }

        if (s.Logprobs && request.Prompt is PromptInput.Chat)
        {
            json.WriteBoolean("logprobs", true);
            WriteUnless(json, "top_logprobs", s.TopLogprobs, 0);
        }

        if (traits.HasSamplers)
        {
            WriteUnless(json, "top_k", s.TopK, 0);
            WriteUnless(json, "min_p", s.MinP, 0);
            if (request.IgnoreEnd)
            {
                json.WriteBoolean("ignore_eos", true);
            }
        }
        else if (s.TopK > 0 || s.MinP > 0)
        {
            throw Unsupported(s.TopK > 0 ? "top_k" : "min_p", traits);
        }

        if (s.RepetitionPenalty != 1)
        {
            json.WriteNumber(traits.RepetitionField ?? throw Unsupported("repetition_penalty", traits), s.RepetitionPenalty);
        }
    }

    private static void WriteConstraint(Utf8JsonWriter json, OutputConstraint? constraint)
    {
        switch (constraint)
        {
            case null:
                return;
            case OutputConstraint.JsonObject:
                json.WriteStartObject("response_format");
                json.WriteString("type", "json_object");
                json.WriteEndObject();
                return;
            case OutputConstraint.JsonSchema schema:
                json.WriteStartObject("response_format");
                json.WriteString("type", "json_schema");
                json.WriteStartObject("json_schema");
                json.WriteString("name", "answer");
                json.WriteBoolean("strict", true);
                json.WritePropertyName("schema");
                schema.Schema.WriteTo(json);
                json.WriteEndObject();
                json.WriteEndObject();
                return;
            default:
                throw new EngineException(EngineErrorCode.UnsupportedParameter, "an upstream engine takes JSON schemas, not grammars");
        }
    }

    private static void WriteIsolation(Utf8JsonWriter json, GenerationRequest request, UpstreamTraits traits)
    {
        if (traits.SaltsCache)
        {
            // Without a cache policy nobody may find the prompt again, the same client included.
            json.WriteString("cache_salt", (request.Cache == CachePolicy.Tenant ? request.Tenant : TenantKey.CreateRandom()).ToSalt());
        }
        else if (traits.CanForget)
        {
            json.WriteBoolean("cache_prompt", false);
        }
    }

    private static void WriteUnless(Utf8JsonWriter json, string name, double value, double usual)
    {
        if (value != usual)
        {
            json.WriteNumber(name, value);
        }
    }

    private static EngineException Unsupported(string field, UpstreamTraits traits) =>
        new(EngineErrorCode.UnsupportedParameter, $"{traits.Name} has no {field}");
}
