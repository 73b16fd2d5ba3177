using Cocoon.Node.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi;

/// <summary>An answer that is collected before anything of it is sent.</summary>
internal sealed class WholeAnswer
{
    private readonly SortedDictionary<uint, ChoiceText> _choices = [];

    public AnswerSource? Source { get; private set; }

    public Usage Usage { get; private set; } = new();

    public AnswerPart.Completed? Completed { get; private set; }

    public IReadOnlyCollection<ChoiceText> Choices => _choices.Values;

    public List<Embedding> Vectors { get; } = [];

    public void Add(AnswerPart part)
    {
        switch (part)
        {
            case AnswerPart.Opened opened:
                Source = opened.Source;
                break;
            case AnswerPart.Text text:
                Choice(text.Delta.Choice).Add(text.Delta);
                break;
            case AnswerPart.Vector vector:
                Vectors.Add(vector.Embedding);
                break;
            case AnswerPart.Ended ended:
                Usage = ended.Finished.Usage ?? Usage;
                foreach (ChoiceEnd end in ended.Finished.Choices)
                {
                    Choice(end.Choice).FinishReason = end.FinishReason;
                }

                break;
            case AnswerPart.Completed completed:
                Completed = completed;
                break;
        }
    }

    private ChoiceText Choice(uint index)
    {
        if (!_choices.TryGetValue(index, out ChoiceText? choice))
        {
            _choices.Add(index, choice = new ChoiceText(index));
        }

        return choice;
    }
}
