using System.Security.Cryptography;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>Verifies Intel TDX quotes: signatures up to the pinned root, revocation, collateral, TCB level. Accepts nothing by itself.</summary>
/// <remarks>Pure and offline: collateral, root and time are arguments. Order and rules of Intel's Quote Verification Library.</remarks>
internal static class TdxVerifier
{
    private const string PckName = "SGX PCK Certificate";
    private const string PlatformCaName = "Intel SGX PCK Platform CA";
    private const string ProcessorCaName = "Intel SGX PCK Processor CA";

    public static TdxResult Verify(ReadOnlyMemory<byte> quoteBytes, CollateralSet collateral, TrustAnchor root, DateTimeOffset now)
    {
        TdxQuote quote;
        try
        {
            quote = TdxQuote.Parse(quoteBytes);
        }
        catch (EvidenceException e)
        {
            string word = e.Code == EvidenceErrorCode.UnsupportedVersion ? TdxReasons.Unsupported : TdxReasons.Malformed;
            return new TdxResult([word], null, now);
        }

        using VerificationKey rootKey = VerificationKey.FromPublicKeyInfo(root.PublicKeyInfo.AsSpan());
        List<string> reasons = [];
        CheckSignatures(quote, root, rootKey, now, reasons);
        TdxFacts facts = new() { Quote = quote, IsSignatureChainValid = reasons.Count == 0, Pck = ReadPck(quote, reasons) };
        DateTimeOffset validUntil = quote.PckChain.Min(c => c.NotAfter);
        if (!facts.IsSignatureChainValid || facts.Pck is null)
        {
            return new TdxResult(reasons, facts, validUntil);
        }

        TdxCollateral chosen = TdxCollateral.Choose(quote, facts.Pck, collateral, root, rootKey, now);
        reasons.AddRange(chosen.Reasons);
        validUntil = chosen.ValidUntil < validUntil ? chosen.ValidUntil : validUntil;
        facts = facts with { TcbEvaluationDataNumber = chosen.TcbInfo?.EvaluationDataNumber };
        if (chosen.TcbInfo is { } info && chosen.QeIdentity is { } identity)
        {
            facts = facts with { Tcb = Evaluate(quote, facts.Pck, info, identity, reasons) };
        }

        return new TdxResult(reasons, facts, validUntil);
    }

    private static void CheckSignatures(TdxQuote quote, TrustAnchor root, VerificationKey rootKey, DateTimeOffset now, List<string> reasons)
    {
        Certificate pck = quote.PckChain[0];
        CertificatePath path = CertificatePath.Find(pck, quote.PckChain, root, rootKey, now);
        bool isWhole = path.Certificates.Length == quote.PckChain.Count
            && path.Certificates.Zip(quote.PckChain).All(p => ReferenceEquals(p.First, p.Second));
        bool areNamed = pck.CommonName?.Contains(PckName, StringComparison.Ordinal) == true
            && !pck.IsAuthority
            && quote.PckChain[1].CommonName is PlatformCaName or ProcessorCaName;
        if (path.Fault == PathFault.Broken || !isWhole || !areNamed)
        {
            reasons.Add(TdxReasons.Chain);
            return;
        }

        if (path.Fault == PathFault.OutsideValidity)
        {
            reasons.Add(TdxReasons.CertificateExpired);
        }

        using VerificationKey pckKey = pck.OpenKey();
        if (!pckKey.VerifyEcdsaRaw(quote.QeReport.Bytes, quote.QeReportSignature.Span, HashAlgorithmName.SHA256))
        {
            reasons.Add(TdxReasons.QeReportSignature);
        }

        if (!IsKeyVouchedFor(quote))
        {
            reasons.Add(TdxReasons.QeReportData);
        }

        using VerificationKey attestationKey = VerificationKey.FromP256(quote.AttestationKey.Span);
        if (!attestationKey.VerifyEcdsaRaw(quote.Signed.Span, quote.Signature.Span, HashAlgorithmName.SHA256))
        {
            reasons.Add(TdxReasons.QuoteSignature);
        }
    }

    /// <summary>REPORTDATA of the quoting enclave = SHA-256(attestation key ‖ authentication data) ‖ 32 zero bytes.</summary>
    private static bool IsKeyVouchedFor(TdxQuote quote)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(quote.AttestationKey.Span);
        hash.AppendData(quote.QeAuthenticationData.Span);
        Span<byte> expected = stackalloc byte[64];
        expected.Clear();
        hash.GetHashAndReset(expected);
        return CryptographicOperations.FixedTimeEquals(expected, quote.QeReport.ReportData);
    }

    private static PckExtension? ReadPck(TdxQuote quote, List<string> reasons)
    {
        try
        {
            return PckExtension.Parse(quote.PckChain[0]);
        }
        catch (EvidenceException)
        {
            reasons.Add(TdxReasons.PckExtension);
            return null;
        }
    }

    private static TcbEvaluation? Evaluate(TdxQuote quote, PckExtension pck, TcbInfo info, QeIdentity identity, List<string> reasons)
    {
        if (!identity.Matches(quote.QeReport))
        {
            reasons.Add(TdxReasons.QeIdentityMismatch);
        }

        TdxModuleIdentity? module = TcbEvaluation.FindModule(info, TcbEvaluation.ModuleIdOf(quote.Body.TeeTcbSvn));
        if (module is null)
        {
            reasons.Add(TdxReasons.ModuleUnknown);
            return null;
        }

        if (!TcbEvaluation.Matches(module, quote.Body))
        {
            reasons.Add(TdxReasons.ModuleMismatch);
        }

        return TcbEvaluation.Evaluate(info, identity, module, pck, quote.QeReport, quote.Body);
    }
}
