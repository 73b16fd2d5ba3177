namespace Cocoon.Enclave.Inference.Grammars;

/// <summary>The grammar of an output constraint.</summary>
internal static class OutputGrammar
{
    /// <exception cref="EngineException">The schema cannot be used; the message names the place.</exception>
    public static GrammarProgram Compile(OutputConstraint constraint)
    {
        try
        {
            return GrammarProgram.Compile(constraint switch
            {
                OutputConstraint.JsonObject => JsonSchemaGrammar.AnyObject(),
                OutputConstraint.JsonSchema schema => JsonSchemaGrammar.Compile(schema.Schema),
                OutputConstraint.Gbnf grammar => grammar.Text,
                _ => throw new ArgumentException("unknown constraint", nameof(constraint)),
            });
        }
        catch (GrammarException e)
        {
            throw new EngineException(EngineErrorCode.InvalidRequest, $"the JSON schema{(e.Pointer.Length > 0 ? " at #" + e.Pointer : "")}: {e.Message}", inner: e);
        }
    }
}
