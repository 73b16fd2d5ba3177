using System.Text;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi;

/// <summary>One choice of a whole (not streamed) completion while it is collected.</summary>
internal sealed class ChoiceText(uint index)
{
    public uint Index { get; } = index;

    public StringBuilder Text { get; } = new();

    public StringBuilder Reasoning { get; } = new();

    public List<TokenLogprob> Logprobs { get; } = [];

    public SortedDictionary<uint, (string Id, string Name, StringBuilder Arguments)> ToolCalls { get; } = [];

    public string FinishReason { get; set; } = "stop";

    public void Add(Delta delta)
    {
        Text.Append(delta.Text);
        Reasoning.Append(delta.Reasoning);
        Logprobs.AddRange(delta.Logprobs);
        if (delta.ToolCall is not { } call)
        {
            return;
        }

        if (!ToolCalls.TryGetValue(call.Index, out (string Id, string Name, StringBuilder Arguments) known))
        {
            known = (call.Id, call.Name, new StringBuilder());
            ToolCalls.Add(call.Index, known);
        }

        known.Arguments.Append(call.Arguments);
    }
}
