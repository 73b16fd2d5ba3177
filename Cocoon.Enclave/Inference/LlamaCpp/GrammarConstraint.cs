using Cocoon.Enclave.Inference.LlamaCpp.Interop;
using Cocoon.Enclave.Inference.Sampling;

namespace Cocoon.Enclave.Inference.LlamaCpp;

/// <summary>Holds one answer to a grammar, from its first token or from a trigger on.</summary>
/// <remarks>
/// Most tokens that a model likes fit, so the one drawn is tried alone and the whole vocabulary only after a refusal. Bytes that no text
/// holds are refused here: llama.cpp would read an overlong quote as a quote and a client would not.
/// </remarks>
internal sealed class GrammarConstraint : TokenConstraint
{
    private readonly Vocabulary _vocabulary;
    private readonly LlamaGrammar _grammar;
    private readonly StopMatcher? _triggers;
    private readonly bool _mayEndBefore;
    private Utf8Tail _tail;
    private bool _isWaiting;

    /// <summary>Takes over the grammar.</summary>
    public GrammarConstraint(Vocabulary vocabulary, LlamaGrammar grammar, OutputConstraint constraint)
    {
        _vocabulary = vocabulary;
        _grammar = grammar;
        _triggers = constraint.Triggers.IsDefaultOrEmpty ? null : new StopMatcher(constraint.Triggers);
        _isWaiting = _triggers is not null;
        _mayEndBefore = constraint.IsOptional;
    }

    public override bool Allows(int token) => MayFit(token) && (_isWaiting || _grammar.Allows(token));

    public override void Mask(Span<float> logits)
    {
        LlamaTokenData[] candidates = _vocabulary.Candidates;
        int count = 0;
        for (int token = 0; token < logits.Length; token++)
        {
            if (!float.IsNegativeInfinity(logits[token]) && MayFit(token))
            {
                candidates[count++] = new LlamaTokenData { id = token, logit = logits[token] };
            }
        }

        if (!_isWaiting)
        {
            _grammar.Apply(candidates.AsSpan(0, count));
        }

        logits.Fill(float.NegativeInfinity);
        foreach (LlamaTokenData candidate in candidates.AsSpan(0, count))
        {
            logits[candidate.id] = candidate.logit;
        }
    }

    public override void Accept(int token)
    {
        if (_vocabulary.IsEnd(token))
        {
            return;
        }

        if (!_isWaiting)
        {
            _tail.Push(_vocabulary.Piece(token));
            _grammar.Accept(token);
            return;
        }

        // A trigger may be a control token, which has no text otherwise.
        foreach (byte value in _vocabulary.SpecialPiece(token))
        {
            _isWaiting &= _triggers!.Push(value) < 0;
        }
    }

    protected override void Dispose(bool disposing)
    {
        _grammar.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>All that can be said of a token without the grammar.</summary>
    private bool MayFit(int token)
    {
        if (_vocabulary.IsEnd(token))
        {
            return !_isWaiting || _mayEndBefore;
        }

        ReadOnlySpan<byte> piece = _vocabulary.Piece(token);
        if (_isWaiting)
        {
            // What follows the trigger inside the same token would escape the grammar.
            return !_triggers!.EndsInside(_vocabulary.SpecialPiece(token));
        }

        Utf8Tail tail = _tail;
        return !piece.IsEmpty && tail.Push(piece);
    }
}
