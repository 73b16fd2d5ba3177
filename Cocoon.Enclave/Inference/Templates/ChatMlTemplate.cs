namespace Cocoon.Enclave.Inference.Templates;

/// <summary>The last resort for models whose own template cannot be used.</summary>
internal static class ChatMlTemplate
{
    public static RenderedPrompt Render(IEnumerable<ChatMessage> messages)
    {
        List<PromptSegment> segments = [];
        foreach (ChatMessage message in messages)
        {
            segments.Add(new PromptSegment($"<|im_start|>{message.Role}\n", IsInput: false));
            segments.Add(new PromptSegment(message.Content, IsInput: true));
            segments.Add(new PromptSegment("<|im_end|>\n", IsInput: false));
        }

        segments.Add(new PromptSegment("<|im_start|>assistant\n", IsInput: false));
        return new RenderedPrompt(segments);
    }
}
