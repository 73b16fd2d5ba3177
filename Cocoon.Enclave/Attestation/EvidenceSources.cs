using System.Collections.Immutable;
using Cocoon.Enclave.Attestation.Nvml;
using Cocoon.Enclave.Attestation.Tsm;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Enclaves.Proto;

namespace Cocoon.Enclave.Attestation;

/// <summary>Which evidence this machine gives.</summary>
internal static class EvidenceSources
{
    // The firmware's event log, as the kernel maps it from the ACPI table.
    public const string EventLogPath = "/sys/firmware/acpi/tables/data/CCEL";

    /// <summary>
    /// <c>auto</c>: the kernel's confidential-computing interface where there is one, else simulated. <c>null</c> when a kind is asked
    /// for by name and the machine does not have it: nothing else takes its place.
    /// </summary>
    public static IEvidenceSource? Choose(Configure configure, Protections protections, ITsmReports reports, TimeProvider time)
    {
        TsmReportReader reader = new(reports, time);
        EvidenceKind? found = configure.Evidence == EvidenceKind.Simulated.Word() ? null : reader.FindKind();
        bool isAuto = configure.Evidence is "" or "auto";
        if (found is { } kind && (isAuto || configure.Evidence == kind.Word()))
        {
            ILookup<bool, CollateralItem> items = configure.Collateral
                .Select(c => new CollateralItem(c.Name, [.. c.Data.Span]))
                .ToLookup(c => c.Data.AsSpan().IndexOf("<SoftwareIdentity"u8) >= 0);
            return new TsmEvidenceSource(
                kind, reader, NvmlGpuEvidenceSource.Open([.. items[true].Select(r => r.Data)]), [.. items[false]], ReadEventLog);
        }

        return isAuto || configure.Evidence == EvidenceKind.Simulated.Word() ? new SimulatedEvidenceSource(protections, time) : null;
    }

    /// <summary>Whether <see cref="Choose"/> may come to hardware evidence. Asked before any code of the host's choice is loaded.</summary>
    public static bool MayBeHardware(Configure configure, ITsmReports reports) => configure.Evidence != EvidenceKind.Simulated.Word() && reports.IsPresent;

    private static byte[] ReadEventLog()
    {
        try
        {
            return File.ReadAllBytes(EventLogPath);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Optional: without it a verifier sees the registers but not what was measured into them.
            return [];
        }
    }
}
