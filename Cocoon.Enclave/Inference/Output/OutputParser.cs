using System.Security.Cryptography;

namespace Cocoon.Enclave.Inference.Output;

/// <summary>Tells text, reasoning and tool calls apart while a model speaks. One per answer.</summary>
/// <remarks>
/// Takes text in pieces of any size and gives the same result for every way of cutting it, up to where deltas are cut. Never throws
/// on what a model says: a call that cannot be read comes back as text, and nothing is dropped but the markers of what was read.
/// Not thread-safe.
/// </remarks>
internal abstract class OutputParser
{
    private const string IdAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    /// <summary>What the next character belongs to, as far as is known.</summary>
    public abstract OutputPart Part { get; }

    /// <summary>Calls begun so far.</summary>
    public int Calls { get; private set; }

    public abstract void Push(string delta, List<OutputPiece> pieces);

    /// <summary>The model ended: gives out what was held back.</summary>
    public abstract void Finish(List<OutputPiece> pieces);

    /// <summary>Takes what the prompt already holds of the answer; what comes of it was never generated and is not given out.</summary>
    public void Begin(string prefix) => Push(prefix, []);

    /// <summary>The prompt also holds a first part of the text: what comes next is the middle of it, not its beginning.</summary>
    public virtual void Continue()
    {
    }

    protected int BeginCall(string? id, string name, int idLength, List<OutputPiece> pieces)
    {
        pieces.Add(new OutputPiece.CallStart(Calls, string.IsNullOrEmpty(id) || id.Length > 64 ? NewId(idLength) : id, name));
        return Calls++;
    }

    /// <param name="length">0 for OpenAI's form; else that many letters and digits, which some templates insist on.</param>
    private static string NewId(int length) =>
        length > 0 ? RandomNumberGenerator.GetString(IdAlphabet, length) : "call_" + RandomNumberGenerator.GetString(IdAlphabet, 24);
}
