using System.Runtime.CompilerServices;

namespace Cocoon.Enclave.Inference.Output;

/// <summary>An engine's plain text events as text, reasoning and tool calls.</summary>
/// <remarks>Every token id stays in exactly one event, that of the part which the model was in when it came.</remarks>
internal sealed class OutputEvents(ChatPlan plan, int choices)
{
    private readonly OutputParser[] _parsers = [.. Enumerable.Range(0, choices).Select(_ => plan.CreateParser())];
    private int _reasoningTokens;

    public async IAsyncEnumerable<GenerationEvent> ReadAsync(IAsyncEnumerable<GenerationEvent> raw, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<OutputPiece> pieces = [];
        await foreach (GenerationEvent happened in raw.WithCancellation(cancellationToken))
        {
            switch (happened)
            {
                case GenerationEvent.Text text:
                    pieces.Clear();
                    OutputPart part = _parsers[text.Choice].Part;
                    _parsers[text.Choice].Push(text.Delta, pieces);
                    foreach (GenerationEvent told in Tell(text, part, pieces))
                    {
                        yield return told;
                    }

                    break;
                case GenerationEvent.ChoiceFinished end:
                    pieces.Clear();
                    OutputParser parser = _parsers[end.Choice];
                    parser.Finish(pieces);
                    foreach (OutputPiece piece in pieces)
                    {
                        yield return Convert(piece, end.Choice, []);
                    }

                    yield return parser.Calls > 0 && end.Reason == FinishReason.Stop ? end with { Reason = FinishReason.ToolCalls } : end;
                    break;
                case GenerationEvent.Finished finished:
                    yield return finished with
                    {
                        Reason = finished.Reason == FinishReason.Stop && _parsers[0].Calls > 0 ? FinishReason.ToolCalls : finished.Reason,
                        Usage = finished.Usage with { ReasoningTokens = _reasoningTokens },
                    };
                    break;
                default:
                    yield return happened;
                    break;
            }
        }
    }

    private IEnumerable<GenerationEvent> Tell(GenerationEvent.Text text, OutputPart before, List<OutputPiece> pieces)
    {
        // Ids and probabilities go with what the model was saying; its text may be held back or come in several parts.
        bool isReasoning = before == OutputPart.Reasoning;
        _reasoningTokens += isReasoning ? text.TokenIds.Length : 0;
        int first = pieces.FindIndex(p => isReasoning ? p is OutputPiece.Reasoning : before == OutputPart.Text ? p is OutputPiece.Text : p is OutputPiece.CallArguments);
        if (first < 0)
        {
            yield return isReasoning
                ? new GenerationEvent.Reasoning(text.Choice, "", text.TokenIds)
                : new GenerationEvent.Text(text.Choice, "", text.TokenIds, before == OutputPart.Text ? text.Logprobs : []);
        }

        for (int i = 0; i < pieces.Count; i++)
        {
            GenerationEvent told = Convert(pieces[i], text.Choice, i == first ? text.TokenIds : []);
            yield return i == first && told is GenerationEvent.Text shown ? shown with { Logprobs = text.Logprobs } : told;
        }
    }

    private static GenerationEvent Convert(OutputPiece piece, int choice, System.Collections.Immutable.ImmutableArray<int> ids) => piece switch
    {
        OutputPiece.Reasoning reasoning => new GenerationEvent.Reasoning(choice, reasoning.Delta, ids),
        OutputPiece.CallStart call => new GenerationEvent.ToolCallStart(choice, call.Index, call.Id, call.Name, ids),
        OutputPiece.CallArguments arguments => new GenerationEvent.ToolCallArguments(choice, arguments.Index, arguments.Delta, ids),
        OutputPiece.Text text => new GenerationEvent.Text(choice, text.Delta, ids, []),
        _ => throw new ArgumentOutOfRangeException(nameof(piece)),
    };
}
