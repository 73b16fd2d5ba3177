using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi.Responses;

/// <summary>Builds a response object from the parts of an answer, and tells each step as an event when somebody listens.</summary>
internal sealed class ResponseBuilder(string id, long created, ResponsesRequest request, Action<string, Action<Utf8JsonWriter>>? tell)
{
    private readonly List<ResponseItem> _items = [];
    private AnswerSource? _source;
    private AnswerPart.Completed? _completed;
    private Usage? _usage;
    private OpenAiError? _error;
    private int _sequence;

    /// <summary><c>in_progress</c>, then <c>completed</c>, <c>incomplete</c> or <c>failed</c>.</summary>
    public string Status { get; private set; } = "in_progress";

    public void Begin()
    {
        TellResponse("response.created");
        TellResponse("response.in_progress");
    }

    public void Add(AnswerPart part)
    {
        switch (part)
        {
            case AnswerPart.Opened opened:
                _source = opened.Source;
                break;
            case AnswerPart.Text { Delta: { Choice: 0 } delta }:
                Add(delta);
                break;
            case AnswerPart.Ended ended:
                _usage = ended.Finished.Usage ?? new Usage();
                Close();
                if (_items.Count == 0)
                {
                    // A model that ended at once still gave an answer: an empty one.
                    Open(new ResponseItem(ResponseItemKind.Message, 0));
                    Close();
                }

                Status = ended.Finished.Choices.Any(c => c.Choice == 0 && c.FinishReason == "length") ? "incomplete" : "completed";
                break;
            case AnswerPart.Completed completed:
                _completed = completed;
                break;
        }
    }

    /// <summary>The last event; cost and receipt are known by then.</summary>
    public void End() => TellResponse($"response.{Status}");

    public void Fail(OpenAiError error)
    {
        Status = "failed";
        _error = error;
        TellResponse("response.failed");
    }

    /// <summary>The conversation with this answer, for a request that goes on from here.</summary>
    public JsonArray Conversation()
    {
        JsonArray messages = (JsonArray)request.Messages.DeepClone();
        JsonObject answer = new()
        {
            ["role"] = "assistant",
            ["content"] = string.Concat(_items.Where(i => i.Kind == ResponseItemKind.Message).Select(i => i.Text)),
        };
        JsonArray calls =
        [
            .. _items.Where(i => i.Kind == ResponseItemKind.FunctionCall).Select(i => new JsonObject
            {
                ["id"] = i.CallId,
                ["type"] = "function",
                ["function"] = new JsonObject { ["name"] = i.Name, ["arguments"] = i.Text.ToString() },
            }),
        ];
        if (calls.Count > 0)
        {
            answer["tool_calls"] = calls;
        }

        messages.Add((JsonNode)answer);
        return messages;
    }

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("object", "response");
        json.WriteNumber("created_at", created);
        json.WriteString("status", Status);
        json.WriteBoolean("background", false);
        WriteError(json);
        if (Status == "incomplete")
        {
            json.WriteStartObject("incomplete_details");
            json.WriteString("reason", "max_output_tokens");
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("incomplete_details");
        }

        json.WriteString("model", request.Ask.Model);
        json.WriteStartArray("output");
        foreach (ResponseItem item in _items)
        {
            item.Write(json, item.IsDone ? Status == "incomplete" && item == _items[^1] ? "incomplete" : "completed" : "in_progress");
        }

        json.WriteEndArray();
        WriteGiven(json);
        WriteUsage(json);
        if (_completed is not null)
        {
            OpenAiJson.WriteCocoon(json, _source, _completed);
        }

        json.WriteEndObject();
    }

    private void Add(Delta delta)
    {
        if (delta.Reasoning.Length > 0)
        {
            ResponseItem item = Current(ResponseItemKind.Reasoning);
            item.Text.Append(delta.Reasoning);
            Tell("response.reasoning_text.delta", item, json => json.WriteString("delta", delta.Reasoning));
        }

        if (delta.Text.Length > 0 || delta.Logprobs.Count > 0)
        {
            ResponseItem item = Current(ResponseItemKind.Message);
            item.Text.Append(delta.Text);
            item.Logprobs.AddRange(delta.Logprobs);
            Tell("response.output_text.delta", item, json =>
            {
                json.WriteString("delta", delta.Text);
                ResponseItem.WriteLogprobs(json, delta.Logprobs);
            });
        }

        if (delta.ToolCall is { } call)
        {
            if (_items.FirstOrDefault(i => i.Kind == ResponseItemKind.FunctionCall && i.Call == call.Index) is not { } item)
            {
                Close();
                item = new ResponseItem(ResponseItemKind.FunctionCall, _items.Count) { CallId = call.Id, Name = call.Name, Call = call.Index };
                Open(item);
            }

            if (call.Arguments.Length > 0)
            {
                item.Text.Append(call.Arguments);
                Tell("response.function_call_arguments.delta", item, json => json.WriteString("delta", call.Arguments), isPart: false);
            }
        }
    }

    private ResponseItem Current(ResponseItemKind kind)
    {
        if (_items.Count > 0 && _items[^1] is { IsDone: false } last && last.Kind == kind)
        {
            return last;
        }

        Close();
        ResponseItem item = new(kind, _items.Count);
        Open(item);
        return item;
    }

    private void Open(ResponseItem item)
    {
        _items.Add(item);
        TellItem("response.output_item.added", item, "in_progress");
        if (item.Kind != ResponseItemKind.FunctionCall)
        {
            Tell("response.content_part.added", item, json => WritePart(json, item));
        }
    }

    private void Close()
    {
        if (_items.Count == 0 || _items[^1] is not { IsDone: false } item)
        {
            return;
        }

        item.IsDone = true;
        switch (item.Kind)
        {
            case ResponseItemKind.FunctionCall:
                Tell("response.function_call_arguments.done", item, json =>
                {
                    json.WriteString("name", item.Name);
                    json.WriteString("arguments", item.Text.ToString());
                }, isPart: false);
                break;
            case ResponseItemKind.Message:
                Tell("response.output_text.done", item, json =>
                {
                    json.WriteString("text", item.Text.ToString());
                    ResponseItem.WriteLogprobs(json, item.Logprobs);
                });
                Tell("response.content_part.done", item, json => WritePart(json, item));
                break;
            default:
                Tell("response.reasoning_text.done", item, json => json.WriteString("text", item.Text.ToString()));
                Tell("response.content_part.done", item, json => WritePart(json, item));
                break;
        }

        TellItem("response.output_item.done", item, "completed");
    }

    private static void WritePart(Utf8JsonWriter json, ResponseItem item)
    {
        json.WritePropertyName("part");
        item.WritePart(json);
    }

    private void WriteError(Utf8JsonWriter json)
    {
        if (_error is null)
        {
            json.WriteNull("error");
            return;
        }

        json.WriteStartObject("error");
        json.WriteString("code", _error.Code);
        json.WriteString("message", _error.Message);
        json.WriteEndObject();
    }

    private void WriteGiven(Utf8JsonWriter json)
    {
        foreach ((string field, JsonNode? value) in request.Given)
        {
            json.WritePropertyName(field);
            (value ?? Default(field))?.WriteTo(json);
            if (value is null && Default(field) is null)
            {
                json.WriteNullValue();
            }
        }
    }

    /// <summary>What OpenAI's clients expect to be there in any case.</summary>
    private static JsonNode? Default(string field) => field switch
    {
        "parallel_tool_calls" => JsonValue.Create(true),
        "tool_choice" => JsonValue.Create("auto"),
        "tools" => new JsonArray(),
        "metadata" => new JsonObject(),
        "temperature" or "top_p" => JsonValue.Create(1),
        "truncation" => JsonValue.Create("disabled"),
        "store" => JsonValue.Create(true),
        "text" => new JsonObject { ["format"] = new JsonObject { ["type"] = "text" } },
        "reasoning" => new JsonObject { ["effort"] = null, ["summary"] = null },
        _ => null,
    };

    private void WriteUsage(Utf8JsonWriter json)
    {
        if (_usage is null)
        {
            json.WriteNull("usage");
            return;
        }

        json.WriteStartObject("usage");
        json.WriteNumber("input_tokens", _usage.PromptTokens);
        json.WriteStartObject("input_tokens_details");
        json.WriteNumber("cached_tokens", _usage.CachedTokens);
        json.WriteEndObject();
        json.WriteNumber("output_tokens", _usage.CompletionTokens);
        json.WriteStartObject("output_tokens_details");
        json.WriteNumber("reasoning_tokens", _usage.ReasoningTokens);
        json.WriteEndObject();
        json.WriteNumber("total_tokens", _usage.PromptTokens + _usage.CompletionTokens);
        json.WriteEndObject();
    }

    private void TellResponse(string type) => Tell(type, json =>
    {
        json.WritePropertyName("response");
        Write(json);
    });

    private void TellItem(string type, ResponseItem item, string status) => Tell(type, json =>
    {
        json.WriteNumber("output_index", item.Index);
        json.WritePropertyName("item");
        item.Write(json, status);
    });

    private void Tell(string type, ResponseItem item, Action<Utf8JsonWriter> write, bool isPart = true) => Tell(type, json =>
    {
        json.WriteString("item_id", item.Id);
        json.WriteNumber("output_index", item.Index);
        if (isPart)
        {
            json.WriteNumber("content_index", 0);
        }

        write(json);
    });

    private void Tell(string type, Action<Utf8JsonWriter> write)
    {
        int sequence = _sequence++;
        tell?.Invoke(type, json =>
        {
            json.WriteStartObject();
            json.WriteString("type", type);
            json.WriteNumber("sequence_number", sequence);
            write(json);
            json.WriteEndObject();
        });
    }
}
