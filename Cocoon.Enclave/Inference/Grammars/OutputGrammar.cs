namespace Cocoon.Enclave.Inference.Grammars;

/// <summary>The grammar of an output constraint.</summary>
internal static class OutputGrammar
{
    /// <summary>GBNF text with the start rule <c>root</c>.</summary>
    /// <exception cref="EngineException">The schema cannot be used; the message names the place.</exception>
    public static string Text(OutputConstraint constraint)
    {
        try
        {
            return constraint switch
            {
                OutputConstraint.JsonObject => JsonSchemaGrammar.AnyObject(),
                OutputConstraint.JsonSchema schema => JsonSchemaGrammar.Compile(schema.Schema),
                OutputConstraint.Gbnf grammar => grammar.Text,
                _ => throw new ArgumentException("unknown constraint", nameof(constraint)),
            };
        }
        catch (GrammarException e)
        {
            throw new EngineException(EngineErrorCode.InvalidRequest, $"the JSON schema{(e.Pointer.Length > 0 ? " at #" + e.Pointer : "")}: {e.Message}", inner: e);
        }
    }
}
