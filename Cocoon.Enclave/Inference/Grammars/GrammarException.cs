namespace Cocoon.Enclave.Inference.Grammars;

/// <summary>A schema that cannot be turned into a grammar. The message is for the client and names keywords, never values.</summary>
/// <param name="pointer">JSON pointer of the part at fault; empty for the whole.</param>
internal sealed class GrammarException(string pointer, string message) : Exception(message)
{
    public string Pointer { get; } = pointer;
}
