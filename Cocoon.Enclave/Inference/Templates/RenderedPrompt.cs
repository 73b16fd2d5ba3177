namespace Cocoon.Enclave.Inference.Templates;

/// <summary>Part of a rendered prompt. Input is what a person or tool wrote: it never becomes a special token.</summary>
internal readonly record struct PromptSegment(string Text, bool IsInput);

/// <summary>A rendered prompt in order.</summary>
internal sealed record RenderedPrompt(IReadOnlyList<PromptSegment> Segments)
{
    public override string ToString() => nameof(RenderedPrompt); // never the text

    public string Join() => string.Concat(Segments.Select(s => s.Text));
}
