namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>Why TDX evidence is refused: what the verifier finds first, then what a policy does not accept.</summary>
internal static class TdxReasons
{
    public const string Malformed = "tdx.malformed";
    public const string Unsupported = "tdx.unsupported";
    public const string Chain = "tdx.chain";
    public const string CertificateExpired = "tdx.certificate.expired";
    public const string CertificateRevoked = "tdx.certificate.revoked";
    public const string PckExtension = "tdx.pck_extension";
    public const string QeReportSignature = "tdx.qe_report.signature";
    public const string QeReportData = "tdx.qe_report.data";
    public const string QuoteSignature = "tdx.quote.signature";
    public const string CrlMissing = "tdx.crl.missing";
    public const string CrlSignature = "tdx.crl.signature";
    public const string CrlExpired = "tdx.crl.expired";
    public const string CollateralMissing = "tdx.collateral.missing";
    public const string CollateralSignature = "tdx.collateral.signature";
    public const string CollateralExpired = "tdx.collateral.expired";
    public const string CollateralMismatch = "tdx.collateral.mismatch";
    public const string QeIdentityMismatch = "tdx.qe_identity.mismatch";
    public const string ModuleUnknown = "tdx.module.unknown";
    public const string ModuleMismatch = "tdx.module.mismatch";
    public const string EventLogMalformed = "tdx.event_log.malformed";
    public const string EventLogMismatch = "tdx.event_log.mismatch";
    public const string TcbRevoked = "tdx.tcb.revoked";
    public const string TcbNotSupported = "tdx.tcb.not_supported";
    public const string TcbOutOfDate = "tdx.tcb.out_of_date";
    public const string TcbConfiguration = "tdx.tcb.configuration_needed";
    public const string TcbHardening = "tdx.tcb.sw_hardening_needed";
    public const string TcbRelaunch = "tdx.tcb.relaunch_advised";
    public const string TcbRollback = "tdx.tcb.evaluation_too_old";
    public const string Advisory = "tdx.tcb.advisory";
    public const string Debug = "tdx.debug";
    public const string AttributesReserved = "tdx.attributes.reserved";
    public const string SeptVeDisable = "tdx.attributes.sept_ve_disable";
    public const string Migratable = "tdx.attributes.migratable";
    public const string PerfMon = "tdx.attributes.perfmon";
    public const string Xfam = "tdx.xfam";
    public const string ServiceTd = "tdx.service_td";
    public const string PlatformDenied = "tdx.platform_denied";

    public static IReadOnlyList<ReasonWord> All { get; } =
    [
        new(Malformed, "the quote is not in Intel's form, is cut, or its certificates are damaged"),
        new(Unsupported, "not a TDX quote of version 4 or 5 with an ECDSA P-256 key (an SGX quote, for example)"),
        new(Chain, "the PCK certificates do not lead to Intel's SGX root, which is pinned by its key"),
        new(CertificateExpired, "a certificate is outside its validity at the time of checking"),
        new(CertificateRevoked, "Intel revoked the platform's, its CA's or the TCB signing certificate"),
        new(PckExtension, "the PCK certificate does not say which platform it is for"),
        new(QeReportSignature, "the quoting enclave's report is not signed by the platform's key"),
        new(QeReportData, "the quoting enclave does not vouch for the key that signed the quote"),
        new(QuoteSignature, "the quote is not signed by its attestation key"),
        new(CrlMissing, "the root's or the PCK CA's revocation list was not supplied"),
        new(CrlSignature, "a revocation list is not signed by its issuer"),
        new(CrlExpired, "a revocation list is not current at the time of checking"),
        new(CollateralMissing, "TCB info, the quoting enclave's identity or their signing certificate was not supplied"),
        new(CollateralSignature, "TCB info or enclave identity is not signed by Intel's TCB signing certificate"),
        new(CollateralExpired, "TCB info or enclave identity is not current at the time of checking"),
        new(CollateralMismatch, "TCB info or enclave identity is for another platform or enclave"),
        new(QeIdentityMismatch, "the quoting enclave is not the one that Intel describes"),
        new(ModuleUnknown, "Intel describes no TDX module of this generation"),
        new(ModuleMismatch, "the TDX module is not the one that Intel describes"),
        new(EventLogMalformed, "the event log is not in TCG form or beyond its limits"),
        new(EventLogMismatch, "the event log does not replay to the quote's RTMRs"),
        new(TcbRevoked, "Intel revoked this TCB level"),
        new(TcbNotSupported, "no TCB level of Intel's list matches the platform"),
        new(TcbOutOfDate, "firmware, microcode, TDX module or quoting enclave is out of date"),
        new(TcbConfiguration, "the platform needs another configuration"),
        new(TcbHardening, "the platform needs software hardening"),
        new(TcbRelaunch, "the guest was launched on an older TDX module and should be started again"),
        new(TcbRollback, "TCB info is older than the policy's minimum evaluation number"),
        new(Advisory, "a security advisory applies that the policy does not accept"),
        new(Debug, "a debug guest: its host can read its memory"),
        new(AttributesReserved, "an attribute bit is set that this version does not know"),
        new(SeptVeDisable, "SEPT_VE_DISABLE is off: the host can inject exceptions on private pages"),
        new(Migratable, "the guest may be migrated and its migration service is not listed"),
        new(PerfMon, "performance counters are on: a side channel"),
        new(Xfam, "CPU features outside the known set"),
        new(ServiceTd, "a service TD is bound that the policy does not list"),
        new(PlatformDenied, "the policy denies this platform or processor family"),
    ];

    /// <summary>The refusal that a status means when the policy does not list it.</summary>
    public static string ForStatus(TcbStatus status) => status switch
    {
        TcbStatus.Revoked => TcbRevoked,
        TcbStatus.TcbNotSupported => TcbNotSupported,
        TcbStatus.ConfigurationNeeded or TcbStatus.ConfigurationAndSWHardeningNeeded => TcbConfiguration,
        TcbStatus.SWHardeningNeeded => TcbHardening,
        TcbStatus.TDRelaunchAdvised or TcbStatus.TDRelaunchAdvisedConfigurationNeeded => TcbRelaunch,
        _ => TcbOutOfDate,
    };
}
