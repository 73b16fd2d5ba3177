namespace Cocoon.Enclave.Inference.Templates;

internal enum TemplateErrorCode
{
    /// <summary>The template text does not parse, or uses something this interpreter does not have.</summary>
    Syntax = 1,

    /// <summary>An operation on values that do not support it.</summary>
    Type = 2,

    /// <summary>Steps, output, depth or time.</summary>
    Limit = 3,

    /// <summary>The template itself refused the conversation.</summary>
    Raised = 4,
}

/// <summary>A template that cannot be used, or a conversation that it refuses. The message never holds text of messages.</summary>
internal sealed class TemplateException(TemplateErrorCode code, string message) : Exception(message)
{
    public TemplateErrorCode Code { get; } = code;
}
