namespace Cocoon.Protocol.Attestation.Nvidia;

/// <summary>Why GPU evidence is refused: what the verifier finds first, then what a policy does not accept.</summary>
internal static class GpuReasons
{
    public const string Malformed = "gpu.malformed";
    public const string ChainMalformed = "gpu.chain.malformed";
    public const string Chain = "gpu.chain";
    public const string CertificateExpired = "gpu.certificate.expired";
    public const string ReportSignature = "gpu.report.signature";
    public const string FwidMismatch = "gpu.fwid_mismatch";
    public const string NonceMismatch = "gpu.nonce_mismatch";
    public const string DigestMismatch = "gpu.digest_mismatch";
    public const string CountMismatch = "gpu.count_mismatch";
    public const string RimMalformed = "gpu.rim.malformed";
    public const string RimSignature = "gpu.rim.signature";
    public const string RimChain = "gpu.rim.chain";
    public const string RimExpired = "gpu.rim.expired";
    public const string RimMismatch = "gpu.rim.mismatch";
    public const string RimConflict = "gpu.rim.conflict";
    public const string DriverRimMissing = "gpu.rim.driver_missing";
    public const string VbiosRimMissing = "gpu.rim.vbios_missing";
    public const string RevocationUnknown = "gpu.revocation_unknown";
    public const string Architecture = "gpu.architecture";
    public const string Driver = "gpu.driver_too_old";
    public const string Count = "gpu.count";
    public const string DeviceDenied = "gpu.device_denied";

    public static IReadOnlyList<ReasonWord> All { get; } =
    [
        new(Malformed, "the report is not an SPDM measurements exchange in NVIDIA's form, or is cut"),
        new(ChainMalformed, "the device's certificates are damaged"),
        new(Chain, "the device's certificates do not lead to NVIDIA's device root key, which is pinned"),
        new(CertificateExpired, "a certificate is outside its validity at the time of checking"),
        new(ReportSignature, "the report is not signed by the device's certified key"),
        new(FwidMismatch, "the firmware that the certificate names is not the firmware that the report names"),
        new(NonceMismatch, "the report answers another nonce than this enclave's: evidence of another boot or machine"),
        new(DigestMismatch, "the report is not the one that the enclave's binding names"),
        new(CountMismatch, "the binding names another number of GPUs than there is evidence for"),
        new(RimMalformed, "a reference manifest is not in NVIDIA's form"),
        new(RimSignature, "a reference manifest is not signed by the key in its certificate"),
        new(RimChain, "a reference manifest's certificates do not lead to NVIDIA's RIM root key, which is pinned"),
        new(RimExpired, "a reference manifest's certificate is outside its validity at the time of checking"),
        new(RimMismatch, "the GPU measured something else than its reference manifests allow"),
        new(RimConflict, "driver and VBIOS manifest both claim one measurement"),
        new(DriverRimMissing, "no reference manifest for the report's driver version was supplied"),
        new(VbiosRimMissing, "no reference manifest for the report's VBIOS version was supplied"),
        new(RevocationUnknown, "nothing says that the device's certificates are not revoked"),
        new(Architecture, "the policy does not list this GPU architecture"),
        new(Driver, "the GPU driver is older than the policy's minimum"),
        new(Count, "the policy asks for another number of GPUs"),
        new(DeviceDenied, "the policy denies this device"),
    ];
}
