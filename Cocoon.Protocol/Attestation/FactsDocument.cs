using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Attestation.EventLog;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.Pki;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;

namespace Cocoon.Protocol.Attestation;

/// <summary>Facts as JSON. Names are stable; hexadecimal is lower case and in the byte order of the wire, security versions are decoded.</summary>
/// <remarks>What is not known is <c>null</c>; what the format's version does not have is absent.</remarks>
internal static class FactsDocument
{
    public static JsonObject Write(TdxFacts facts)
    {
        TdxQuote quote = facts.Quote;
        TdxReportBody body = quote.Body;
        JsonObject document = new()
        {
            ["signatureChainValid"] = facts.IsSignatureChainValid,
            ["quoteVersion"] = quote.Version,
            ["bodyType"] = quote.BodyType,
            ["usedLength"] = quote.UsedLength,
            ["trailingBytes"] = quote.TrailingLength,
            ["fmspc"] = facts.Pck?.Fmspc,
            ["pceId"] = facts.Pck?.PceId,
            ["pceSvn"] = facts.Pck?.PceSvn,
            ["cpuSvn"] = facts.Pck is { } pck ? Hex(pck.CpuSvn.AsSpan()) : null,
            ["debug"] = body.IsDebug,
            ["teeTcbSvn"] = Hex(body.TeeTcbSvn),
            ["mrSeam"] = Hex(body.MrSeam),
            ["tdAttributes"] = Hex(body.TdAttributes),
            ["xfam"] = Hex(body.Xfam),
            ["mrTd"] = Hex(body.MrTd),
            ["mrConfigId"] = Hex(body.MrConfigId),
            ["mrOwner"] = Hex(body.MrOwner),
            ["mrOwnerConfig"] = Hex(body.MrOwnerConfig),
            ["rtmr"] = new JsonArray([.. Enumerable.Range(0, TdxReportBody.Registers).Select(i => JsonValue.Create(Hex(body.Rtmr(i))))]),
            ["reportData"] = Hex(body.ReportData),
        };
        if (body.Is15)
        {
            document["teeTcbSvn2"] = Hex(body.TeeTcbSvn2);
            document["mrServiceTd"] = Hex(body.MrServiceTd);
        }

        document["qeReport"] = new JsonObject
        {
            ["mrsigner"] = Hex(quote.QeReport.MrSigner),
            ["isvprodid"] = quote.QeReport.IsvProdId,
            ["isvsvn"] = quote.QeReport.IsvSvn,
        };
        document["qeTcbStatus"] = facts.Tcb?.QeStatus.ToString();
        document["tdxModuleId"] = TcbEvaluation.ModuleIdOf(body.TeeTcbSvn);
        document["tdxModuleTcbStatus"] = facts.Tcb?.ModuleStatus.ToString();
        document["tcbStatus"] = facts.Tcb?.Status.ToString();
        document["advisoryIds"] = facts.Tcb is { } tcb ? new JsonArray([.. tcb.Advisories.Select(a => JsonValue.Create(a))]) : null;
        document["tcbDate"] = facts.Tcb?.TcbDate is { } date ? Time(date) : null;
        document["tcbEvaluationDataNumber"] = facts.TcbEvaluationDataNumber;
        document["cocoonImageHash"] = Hex(body.CocoonImageHash().AsSpan());
        return document;
    }

    public static JsonObject Write(SnpFacts facts)
    {
        SnpReport report = facts.Report;
        JsonObject document = new()
        {
            ["signatureChainValid"] = facts.IsSignatureChainValid,
            ["version"] = report.Version,
            ["guestSvn"] = report.GuestSvn,
            ["policy"] = Number(report.Policy),
            ["debugAllowed"] = (report.Policy & SnpPolicyBits.Debug) != 0,
            ["migrationAgentAllowed"] = (report.Policy & SnpPolicyBits.MigrationAgent) != 0,
            ["smtAllowed"] = (report.Policy & SnpPolicyBits.SmtAllowed) != 0,
            ["vmpl"] = report.Vmpl,
            ["platformInfo"] = Number(report.PlatformInfo),
            ["reportData"] = Hex(report.ReportData),
            ["measurement"] = Hex(report.Measurement),
            ["hostData"] = Hex(report.HostData),
            ["idKeyDigest"] = Hex(report.IdKeyDigest),
            ["authorKeyDigest"] = Hex(report.AuthorKeyDigest),
            ["reportId"] = Hex(report.ReportId),
            ["chipId"] = Hex(report.ChipId),
            ["currentTcb"] = Tcb(facts.CurrentTcb),
            ["reportedTcb"] = Tcb(facts.ReportedTcb),
            ["committedTcb"] = Tcb(facts.CommittedTcb),
            ["launchTcb"] = Tcb(facts.LaunchTcb),
        };
        if (report.HasCpuid)
        {
            document["cpuFamily"] = report.CpuFamily;
            document["cpuModel"] = report.CpuModel;
            document["cpuStepping"] = report.CpuStepping;
        }

        if (report.HasMitigationVectors)
        {
            document["launchMitVector"] = report.LaunchMitigations.ToString("x16", CultureInfo.InvariantCulture);
            document["currentMitVector"] = report.CurrentMitigations.ToString("x16", CultureInfo.InvariantCulture);
        }

        return document;
    }

    public static JsonObject Write(GpuFacts facts)
    {
        GpuReport report = facts.Report;
        using IncrementalHash measurements = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (ReadOnlyMemory<byte> value in report.Blocks.Values)
        {
            measurements.AppendData(value.Span);
        }

        return new JsonObject
        {
            ["signatureChainValid"] = facts.IsSignatureChainValid,
            ["rootIsNvidiaDeviceIdentityCa"] = facts.IsRootPinned,
            ["nonce"] = Hex(report.Nonce.Span),
            ["responseNonce"] = Hex(report.ResponderNonce.Span),
            ["spdmVersion"] = report.Version,
            ["measurementBlocks"] = report.Blocks.Count,
            ["measurementsSha256"] = Hex(measurements.GetHashAndReset()),
            ["driverVersion"] = report.DriverVersion,
            ["vbiosVersion"] = report.VbiosVersion,
            ["chipSku"] = report.ChipSku,
            ["project"] = report.Project,
            ["projectSku"] = report.ProjectSku,
            ["opaqueTypes"] = new JsonArray([.. report.Opaque.Keys.Select(k => JsonValue.Create(k))]),
            ["fwid"] = report.Fwid is { } fwid ? Hex(fwid.Span) : null,
            ["fwidInLeafCertificate"] = facts.IsFwidInCertificate,
            ["nvdec0"] = report.Nvdec0 switch { 0xAA => "enabled", 0x55 => "disabled", _ => null },
            ["featureFlag"] = report.FeatureFlag,
        };
    }

    public static JsonObject Write(RimManifest rim, bool isSignatureValid) => new()
    {
        ["signatureValid"] = isSignatureValid,
        ["colloquialVersion"] = rim.ColloquialVersion,
        ["activeMeasurements"] = new JsonArray([.. rim.Active.Select(m => JsonValue.Create(m.Index))]),
        ["certificates"] = rim.Certificates.Length,
        ["validFrom"] = Time(rim.ValidFrom),
        ["validUntil"] = Time(rim.ValidUntil),
    };

    public static JsonObject Write(CcelLog log) => new()
    {
        ["events"] = log.Events.Length,
        ["replayedRtmr"] = new JsonArray([.. log.Replay().Select(r => JsonValue.Create(Hex(r.AsSpan())))]),
    };

    public static JsonObject Write(RevocationList list, string issuer) => new()
    {
        ["issuer"] = issuer,
        ["thisUpdate"] = Time(list.ThisUpdate),
        ["nextUpdate"] = Time(list.NextUpdate),
        ["revokedSerials"] = new JsonArray([.. list.Serials.Select(s => JsonValue.Create("0x" + s))]),
    };

    private static JsonObject Tcb(SnpTcb tcb)
    {
        JsonObject document = [];
        if (tcb.Fmc is { } fmc)
        {
            document["fmc"] = fmc;
        }

        document["bootloader"] = tcb.BootLoader;
        document["tee"] = tcb.Tee;
        document["snp"] = tcb.Snp;
        document["microcode"] = tcb.Microcode;
        return document;
    }

    private static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    private static string Number(ulong value) => "0x" + value.ToString("x", CultureInfo.InvariantCulture);

    private static string Time(DateTimeOffset time) => time.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
