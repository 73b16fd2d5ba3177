namespace Cocoon.Enclave.Inference.Upstream;

/// <summary>Turns the events of a server's answer into ours, and counts.</summary>
/// <remarks>
/// Servers name no token ids. Where usage comes with every event it is believed, else an event with content counts as one token; the
/// server's own count at the end has the last word, and never takes away what was told before.
/// </remarks>
internal sealed class UpstreamAnswer(int choices, int promptEstimate, bool believesCached)
{
    private readonly bool[] _ended = new bool[choices];
    private readonly HashSet<(int Choice, int Index)> _named = [];
    private FinishReason _reason = FinishReason.Stop;
    private int _reasoning;
    private bool _isCounted;

    public int Prompt { get; private set; } = promptEstimate;

    public int Cached { get; private set; }

    public int Completion { get; private set; }

    public bool IsComplete => _ended.All(e => e);

    /// <summary>Counts first, so that a gate can be asked before anything is passed on.</summary>
    public void Count(UpstreamChunk chunk)
    {
        foreach (UpstreamChoice choice in chunk.Choices)
        {
            if (choice.Text.Length > 0 || choice.Reasoning.Length > 0 || !choice.ToolCalls.IsEmpty)
            {
                Completion += _isCounted ? 0 : 1;
                _reasoning += choice.Reasoning.Length > 0 ? 1 : 0;
            }
        }

        if (chunk.Usage is { } usage)
        {
            _isCounted = true;
            Prompt = Math.Max(Prompt, usage.Prompt);
            Cached = believesCached ? Math.Min(Math.Max(Cached, usage.Cached), Prompt) : 0;
            Completion = Math.Max(Completion, usage.Completion);
            _reasoning = Math.Max(_reasoning, usage.Reasoning);
        }
    }

    /// <exception cref="EngineException">An error inside the stream.</exception>
    public IEnumerable<GenerationEvent> Read(UpstreamChunk chunk)
    {
        if (chunk.IsError)
        {
            throw new EngineException(EngineErrorCode.Unavailable, "the upstream server ended the answer with an error");
        }

        foreach (UpstreamChoice choice in chunk.Choices)
        {
            if (choice.Index < 0 || choice.Index >= _ended.Length || _ended[choice.Index])
            {
                continue;
            }

            if (choice.Reasoning.Length > 0)
            {
                yield return new GenerationEvent.Reasoning(choice.Index, choice.Reasoning, []);
            }

            if (choice.Text.Length > 0)
            {
                yield return new GenerationEvent.Text(choice.Index, choice.Text, [], choice.Logprobs);
            }

            foreach (UpstreamToolCall call in choice.ToolCalls)
            {
                if (_named.Add((choice.Index, call.Index)))
                {
                    yield return new GenerationEvent.ToolCallStart(choice.Index, call.Index, call.Id ?? "", call.Name ?? "", []);
                }

                if (call.Arguments.Length > 0)
                {
                    yield return new GenerationEvent.ToolCallArguments(choice.Index, call.Index, call.Arguments, []);
                }
            }

            if (choice.FinishReason is { Length: > 0 } why)
            {
                _ended[choice.Index] = true;
                FinishReason reason = why switch { "length" => FinishReason.Length, "tool_calls" or "function_call" => FinishReason.ToolCalls, _ => FinishReason.Stop };
                _reason = choice.Index == 0 ? reason : _reason;
                yield return new GenerationEvent.ChoiceFinished(choice.Index, reason, choice.MatchedStop);
            }
        }
    }

    public GenerationEvent.Finished Finish(TimeSpan prefill, TimeSpan decode) =>
        new(_reason, new TokenUsage(Prompt, Cached, Completion, Math.Min(_reasoning, Completion), prefill, decode));
}
