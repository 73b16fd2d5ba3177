using System.Collections.Immutable;
using Cocoon.Enclave.Inference.Templates;

namespace Cocoon.Enclave.Inference.Output;

/// <summary>How one conversation is asked of a model, and how its answer is read.</summary>
internal sealed class ChatPlan
{
    private const int MaxForcedCalls = 8;

    private readonly OutputSyntax _syntax;
    private readonly IReadOnlyList<ChatTool> _tools;
    private readonly string _opening;
    private readonly bool _goesOn;

    private ChatPlan(RenderedPrompt prompt, OutputSyntax syntax, IReadOnlyList<ChatTool> tools, string opening, bool goesOn, OutputConstraint? constraint)
    {
        Prompt = prompt;
        Constraint = constraint;
        _syntax = syntax;
        _tools = tools;
        _opening = opening;
        _goesOn = goesOn;
    }

    public RenderedPrompt Prompt { get; }

    /// <summary>What the answer is held to: what was asked for, or the call that the model must make.</summary>
    public OutputConstraint? Constraint { get; }

    /// <summary>Whether control tokens must show in the text, for the parser to see them.</summary>
    public bool ShowsSpecials => _syntax.NeedsSpecials;

    /// <param name="template"><c>null</c>: ChatML.</param>
    /// <exception cref="TemplateException">The template refuses the conversation.</exception>
    /// <exception cref="EngineException">The request contradicts itself.</exception>
    public static ChatPlan Create(PromptInput.Chat chat, ChatTemplate? template, OutputConstraint? constraint)
    {
        OutputSyntax syntax = template?.Syntax ?? OutputSyntaxes.Qwen;
        bool hasTools = !chat.Tools.IsDefaultOrEmpty && chat.ToolChoice != ToolChoiceMode.None;
        ImmutableArray<ChatTool> tools = hasTools ? chat.Tools : [];
        RenderedPrompt rendered = Render(chat, template, ref syntax);
        string tail = OpenReasoning(rendered, syntax);
        bool isForced = hasTools && chat.ToolChoice is ToolChoiceMode.Required or ToolChoiceMode.Function;
        if (!isForced)
        {
            bool goesOn = chat.AnswerPrefix.Length > 0;
            string prefix = goesOn ? (tail.Length > 0 ? CloseReasoning(syntax) : "") + syntax.AnswerOpening : "";
            OutputConstraint? held = constraint is { Triggers.IsDefaultOrEmpty: true } && tail.Length > 0 && !goesOn
                ? constraint with { Triggers = [syntax.Reasoning!.Value.Close] }
                : constraint;
            return new ChatPlan(Append(rendered, prefix, chat.AnswerPrefix), syntax, tools, tail + prefix, goesOn, held);
        }

        if (constraint is not null)
        {
            throw new EngineException(EngineErrorCode.InvalidRequest, "response_format and a tool_choice that demands a call exclude each other");
        }

        ForcedCall form = syntax.Forced ?? OutputSyntaxes.Qwen.Forced!;
        syntax = syntax.Forced is null ? OutputSyntaxes.Qwen : syntax;
        ImmutableArray<ChatTool> allowed = chat.ToolChoiceFunction is { } name ? [.. tools.Where(t => t.Name == name)] : tools;
        string opening = (tail.Length > 0 ? CloseReasoning(syntax) : "") + form.Prefix;
        int most = chat is { ParallelToolCalls: true, ToolChoiceFunction: null } ? MaxForcedCalls : 1;
        return new ChatPlan(
            Append(rendered, opening, ""), syntax, tools, tail + opening, goesOn: false,
            new OutputConstraint.JsonSchema(CallSchema.Create(allowed, form.ArgumentsKey, form.IsArray, most)));
    }

    /// <summary>A parser in the state that the prompt leaves it in.</summary>
    public OutputParser CreateParser()
    {
        OutputParser parser = _syntax.CreateParser(_tools);
        parser.Begin(_opening);
        if (_goesOn)
        {
            parser.Continue();
        }

        return parser;
    }

    private static RenderedPrompt Render(PromptInput.Chat chat, ChatTemplate? template, ref OutputSyntax syntax)
    {
        bool needsTools = !chat.Tools.IsDefaultOrEmpty || chat.Messages.Any(m => m.Role == "tool" || !m.ToolCalls.IsDefaultOrEmpty);
        if (template is null)
        {
            return ChatMlTemplate.Render((needsTools ? ToolPrompt.Rewrite(chat, inUserMessage: false) : chat).Messages);
        }

        if (!needsTools || template.UsesTools)
        {
            return template.Render(chat);
        }

        // The description asks for Hermes' notation; a model may still fall into the one that it was trained on.
        syntax = syntax with { Calls = [.. syntax.Calls, .. OutputSyntaxes.Qwen.Calls.Except(syntax.Calls)], Forced = OutputSyntaxes.Qwen.Forced };
        try
        {
            return template.Render(ToolPrompt.Rewrite(chat, inUserMessage: false));
        }
        catch (TemplateException exception) when (exception.Code == TemplateErrorCode.Raised)
        {
            // Such as Gemma 2's, which refuses system messages.
            return template.Render(ToolPrompt.Rewrite(chat, inUserMessage: true));
        }
    }

    /// <summary>The end of the prompt from where it opens reasoning that it does not close; empty when it does not.</summary>
    private static string OpenReasoning(RenderedPrompt prompt, OutputSyntax syntax)
    {
        if (syntax.Reasoning is not { } tags || prompt.Segments.Count == 0)
        {
            return "";
        }

        // Only the template's own words count: a message that spells the tag out opens nothing.
        string last = prompt.Segments[^1] is { IsInput: false } segment ? segment.Text : "";
        int open = last.LastIndexOf(tags.Open, StringComparison.Ordinal);
        return open >= 0 && last.IndexOf(tags.Close, open, StringComparison.Ordinal) < 0 ? last[open..] : "";
    }

    private static string CloseReasoning(OutputSyntax syntax) => syntax.Reasoning is { } tags ? $"\n{tags.Close}\n\n" : "";

    private static RenderedPrompt Append(RenderedPrompt prompt, string template, string input) => template.Length + input.Length == 0
        ? prompt
        : new RenderedPrompt(
        [
            .. prompt.Segments,
            .. template.Length > 0 ? (PromptSegment[])[new PromptSegment(template, IsInput: false)] : [],
            .. input.Length > 0 ? (PromptSegment[])[new PromptSegment(input, IsInput: true)] : [],
        ]);
}
