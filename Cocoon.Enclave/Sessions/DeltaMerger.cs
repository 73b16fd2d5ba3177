using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Enclave.Sessions;

/// <summary>Joins neighbouring deltas of the same kind while they wait for a tick, so that a frame holds more text and less wrapping.</summary>
/// <remarks>Not thread-safe.</remarks>
internal sealed class DeltaMerger
{
    private const int MaxText = 32 << 10;
    private const int MaxTokens = 8 << 10;

    private readonly System.Text.StringBuilder _text = new();
    private Delta? _waiting;
    private bool _isReasoning;

    public void Add(AnswerEvent answer, AnswerWriter writer)
    {
        if (answer.Delta is not { ToolCall: null, Logprobs.Count: 0, BlockedDue: 0 } delta || (delta.Text.Length > 0 && delta.Reasoning.Length > 0))
        {
            Flush(writer);
            writer.Append(answer);
            return;
        }

        bool isReasoning = delta.Reasoning.Length > 0;
        if (_waiting is not null
            && (_waiting.Choice != delta.Choice
                || (_text.Length > 0 && delta.Text.Length + delta.Reasoning.Length > 0 && isReasoning != _isReasoning)
                || _text.Length > MaxText
                || _waiting.TokenIds.Count > MaxTokens))
        {
            Flush(writer);
        }

        if (_text.Length == 0)
        {
            _isReasoning = isReasoning;
        }

        _waiting ??= new Delta { Choice = delta.Choice };
        _waiting.TokenIds.Add(delta.TokenIds);
        _waiting.DueNanoton = delta.DueNanoton;
        _text.Append(delta.Text).Append(delta.Reasoning);
    }

    public void Flush(AnswerWriter writer)
    {
        if (_waiting is null)
        {
            return;
        }

        string text = _text.ToString();
        _waiting.Text = _isReasoning ? "" : text;
        _waiting.Reasoning = _isReasoning ? text : "";
        writer.Append(new AnswerEvent { Delta = _waiting });
        _text.Clear();
        _waiting = null;
        _isReasoning = false;
    }
}
