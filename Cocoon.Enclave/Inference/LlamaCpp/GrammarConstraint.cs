using Cocoon.Enclave.Inference.Grammars;
using Cocoon.Enclave.Inference.Sampling;

namespace Cocoon.Enclave.Inference.LlamaCpp;

/// <summary>Holds one answer to a grammar, from its first token or from a trigger on.</summary>
/// <remarks>
/// Most tokens that a model likes fit, so the one drawn is tried alone and the whole vocabulary only after a refusal. Bytes that no text
/// holds are refused before the grammar sees them.
/// </remarks>
internal sealed class GrammarConstraint : TokenConstraint
{
    private readonly Vocabulary _vocabulary;
    private readonly GrammarMatcher _grammar;
    private readonly StopMatcher? _triggers;
    private readonly bool _mayEndBefore;
    private Utf8Tail _tail;
    private bool _isWaiting;
    private (int Token, GrammarMatcher.Position Position)? _tried;

    public GrammarConstraint(Vocabulary vocabulary, GrammarProgram grammar, OutputConstraint constraint)
    {
        _vocabulary = vocabulary;
        _grammar = new GrammarMatcher(grammar);
        _triggers = constraint.Triggers.IsDefaultOrEmpty ? null : new StopMatcher(constraint.Triggers);
        _isWaiting = _triggers is not null;
        _mayEndBefore = constraint.IsOptional;
    }

    public override bool Allows(int token)
    {
        if (!MayFit(token))
        {
            return false;
        }

        if (_isWaiting || _vocabulary.IsEnd(token))
        {
            return true;
        }

        _tried = _grammar.Try(_vocabulary.Piece(token)) is { } position ? (token, position) : null;
        return _tried is not null;
    }

    public override void Mask(Span<float> logits)
    {
        _grammar.BeginMany(logits.Length);
        for (int token = 0; token < logits.Length; token++)
        {
            bool fits = !float.IsNegativeInfinity(logits[token]) && MayFit(token) && (_isWaiting || _vocabulary.IsEnd(token) || _grammar.Fits(_vocabulary.Piece(token)));
            logits[token] = fits ? logits[token] : float.NegativeInfinity;
        }

        _grammar.EndMany();
    }

    public override void Accept(int token)
    {
        if (_vocabulary.IsEnd(token))
        {
            return;
        }

        if (!_isWaiting)
        {
            ReadOnlySpan<byte> piece = _vocabulary.Piece(token);
            _tail.Push(piece);
            _grammar.Take(_tried is { } tried && tried.Token == token
                ? tried.Position
                : _grammar.Try(piece) ?? throw new ArgumentException("the token does not fit", nameof(token)));
            _tried = null;
            return;
        }

        // A trigger may be a control token, which has no text otherwise.
        foreach (byte value in _vocabulary.SpecialPiece(token))
        {
            _isWaiting &= _triggers!.Push(value) < 0;
        }
    }

    /// <summary>All that can be said of a token without following the grammar.</summary>
    private bool MayFit(int token)
    {
        if (_vocabulary.IsEnd(token))
        {
            return _isWaiting ? _mayEndBefore : _grammar.IsComplete;
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
