namespace Cocoon.Protocol.Attestation.SevSnp;

/// <summary>Why SEV-SNP evidence is refused: what the verifier finds first, then what a policy does not accept.</summary>
internal static class SnpReasons
{
    public const string Malformed = "snp.malformed";
    public const string Unsupported = "snp.unsupported";
    public const string EndorsementMissing = "snp.endorsement.missing";
    public const string EndorsementMalformed = "snp.endorsement.malformed";
    public const string Chain = "snp.chain";
    public const string CertificateExpired = "snp.certificate.expired";
    public const string CertificateRevoked = "snp.certificate.revoked";
    public const string CrlSignature = "snp.crl.signature";
    public const string CrlExpired = "snp.crl.expired";
    public const string ReportSignature = "snp.report.signature";
    public const string TcbMismatch = "snp.vcek.tcb_mismatch";
    public const string ChipMismatch = "snp.vcek.chip_mismatch";
    public const string ChipMasked = "snp.vcek.chip_masked";
    public const string ProductMismatch = "snp.product.mismatch";
    public const string VmplOfHost = "snp.vmpl.host";
    public const string CrlMissing = "snp.crl.missing";
    public const string Vmpl = "snp.vmpl";
    public const string Debug = "snp.debug";
    public const string MigrationAgent = "snp.migration_agent";
    public const string PolicyReserved = "snp.policy.reserved";
    public const string Reserved = "snp.reserved";
    public const string Vlek = "snp.vlek";
    public const string ProductDenied = "snp.product.denied";
    public const string ReportedTcb = "snp.tcb.reported_too_low";
    public const string CommittedTcb = "snp.tcb.committed_too_low";
    public const string LaunchTcb = "snp.tcb.launch_too_low";
    public const string AliasCheck = "snp.alias_check";
    public const string CiphertextHiding = "snp.ciphertext_hiding";
    public const string Smt = "snp.smt";
    public const string ChipDenied = "snp.chip_denied";

    public static IReadOnlyList<ReasonWord> All { get; } =
    [
        new(Malformed, "the report is not in AMD's form, or is cut"),
        new(Unsupported, "not a report of version 2 to 5 signed with ECDSA P-384 by a VCEK or VLEK"),
        new(EndorsementMissing, "no VCEK or VLEK certificate was supplied that fits the report"),
        new(EndorsementMalformed, "the VCEK or VLEK does not say which TCB and chip it is for"),
        new(Chain, "the certificates do not lead to AMD's root key of the product, which is pinned"),
        new(CertificateExpired, "a certificate is outside its validity at the time of checking"),
        new(CertificateRevoked, "AMD revoked a certificate of the chain"),
        new(CrlSignature, "the revocation list is not signed by AMD's root key of the product"),
        new(CrlExpired, "the revocation list is not current at the time of checking"),
        new(ReportSignature, "the report is not signed by the certified key"),
        new(TcbMismatch, "the certified key is for another TCB than the report's"),
        new(ChipMismatch, "the certified key is of another chip than the report's"),
        new(ChipMasked, "the chip id is masked, so that a VCEK cannot be matched"),
        new(ProductMismatch, "the processor is of another product than the chain"),
        new(VmplOfHost, "the report was asked for by the host, not from inside the guest"),
        new(CrlMissing, "the product's revocation list was not supplied"),
        new(Vmpl, "the report comes from a less privileged level than the policy allows"),
        new(Debug, "a debug guest: its host can read its memory"),
        new(MigrationAgent, "a migration agent may move the guest"),
        new(PolicyReserved, "the guest policy's fixed bit is not set"),
        new(Reserved, "fields are set that this version of the format leaves empty"),
        new(Vlek, "signed by a key that the cloud provider holds, and the policy does not allow that"),
        new(ProductDenied, "the policy gives no minimum TCB for this product, so it is not accepted"),
        new(ReportedTcb, "the reported TCB is below the policy's minimum"),
        new(CommittedTcb, "the committed TCB is below the policy's minimum: firmware could be rolled back"),
        new(LaunchTcb, "the guest was launched on a TCB below the policy's minimum"),
        new(AliasCheck, "the platform does not report a completed memory alias check"),
        new(CiphertextHiding, "the platform does not hide ciphertext from the host"),
        new(Smt, "the guest allows simultaneous multithreading and the policy does not"),
        new(ChipDenied, "the policy denies this chip"),
    ];
}
