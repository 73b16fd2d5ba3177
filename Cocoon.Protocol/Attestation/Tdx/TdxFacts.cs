namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>What a TDX quote says, and what is known about its platform. Worth something only when the result has no reasons.</summary>
internal sealed record TdxFacts
{
    public required TdxQuote Quote { get; init; }

    /// <summary>The quote's signatures and certificates hold at the time of checking, apart from revocation and TCB.</summary>
    public required bool IsSignatureChainValid { get; init; }

    /// <summary><c>null</c> when the PCK certificate does not carry it.</summary>
    public PckExtension? Pck { get; init; }

    /// <summary><c>null</c> without TCB info and enclave identity that Intel signed for this platform.</summary>
    public TcbEvaluation? Tcb { get; init; }

    public uint? TcbEvaluationDataNumber { get; init; }
}

/// <summary>The verifier's result: reasons against the evidence, and the facts as far as they could be read.</summary>
/// <param name="Facts"><c>null</c> when the quote could not be parsed.</param>
/// <param name="ValidUntil">End of the earliest certificate, CRL or collateral used.</param>
internal sealed record TdxResult(IReadOnlyList<string> Reasons, TdxFacts? Facts, DateTimeOffset ValidUntil);
