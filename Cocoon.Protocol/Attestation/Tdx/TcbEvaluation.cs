using System.Collections.Immutable;
using System.Globalization;

namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>Where a platform, its TDX module and its quoting enclave stand on Intel's lists.</summary>
/// <remarks>The algorithm of Intel's Quote Verification Library, quote verification steps for TDX.</remarks>
internal sealed record TcbEvaluation
{
    /// <summary>The converged verdict.</summary>
    public required TcbStatus Status { get; init; }

    public required TcbStatus QeStatus { get; init; }

    /// <summary><c>null</c> for modules of the first generation, which the TCB level itself judges.</summary>
    public required string? ModuleId { get; init; }

    public required TcbStatus ModuleStatus { get; init; }

    /// <summary>Distinct, ascending.</summary>
    public required ImmutableArray<string> Advisories { get; init; }

    /// <summary>Of the matched level.</summary>
    public required DateTimeOffset? TcbDate { get; init; }

    public static string? ModuleIdOf(ReadOnlySpan<byte> teeTcbSvn) =>
        teeTcbSvn[1] == 0 ? null : string.Create(CultureInfo.InvariantCulture, $"TDX_{teeTcbSvn[1]:X2}");

    /// <summary>The identity that speaks for a module of this id; <c>null</c> when Intel lists none.</summary>
    public static TdxModuleIdentity? FindModule(TcbInfo info, string? id) => id is null
        ? info.Module
        : info.ModuleIdentities.FirstOrDefault(m => string.Equals(m.Id, id, StringComparison.OrdinalIgnoreCase));

    public static bool Matches(TdxModuleIdentity module, TdxReportBody body) =>
        body.MrSignerSeam.SequenceEqual(module.MrSigner.AsSpan())
        && PcsJson.MaskedEquals(body.SeamAttributes, module.Attributes.AsSpan(), module.AttributesMask.AsSpan())
        && !body.SeamAttributes.ContainsAnyExcept((byte)0);

    public static TcbEvaluation Evaluate(TcbInfo info, QeIdentity identity, TdxModuleIdentity module, PckExtension pck, SgxReportBody qe, TdxReportBody body)
    {
        IsvLevel? qeLevel = identity.Levels.FirstOrDefault(l => qe.IsvSvn >= l.IsvSvn);
        IsvLevel? moduleLevel = module.Id is null ? null : module.Levels.FirstOrDefault(l => body.TeeTcbSvn[0] >= l.IsvSvn);
        TcbStatus qeStatus = qeLevel?.Status ?? TcbStatus.TcbNotSupported;
        TcbStatus moduleStatus = module.Id is null ? TcbStatus.UpToDate : moduleLevel?.Status ?? TcbStatus.TcbNotSupported;
        TcbLevel? sgx = info.Levels.FirstOrDefault(l => IsSgxMatch(l, pck));
        TcbLevel? both = FindLevel(info, pck, body);
        if (sgx is null || both is null || moduleStatus == TcbStatus.TcbNotSupported || qeStatus == TcbStatus.TcbNotSupported)
        {
            return new TcbEvaluation
            {
                Status = TcbStatus.TcbNotSupported,
                QeStatus = qeStatus,
                ModuleId = module.Id,
                ModuleStatus = moduleStatus,
                Advisories = [],
                TcbDate = null,
            };
        }

        TcbStatus status = TcbStatuses.Converge(both.Status, moduleStatus);
        if (MayRelaunch(sgx.Status, status, moduleStatus, qeStatus, body) && IsLoadedModuleNewest(info, body))
        {
            status = status == TcbStatus.OutOfDate ? TcbStatus.TDRelaunchAdvised : TcbStatus.TDRelaunchAdvisedConfigurationNeeded;
        }

        IEnumerable<string> advisories = both.Advisories.Concat(moduleLevel?.Advisories ?? []).Concat(qeLevel!.Advisories);
        return new TcbEvaluation
        {
            Status = TcbStatuses.Converge(status, qeStatus),
            QeStatus = qeStatus,
            ModuleId = module.Id,
            ModuleStatus = moduleStatus,
            Advisories = [.. advisories.Distinct().Order(StringComparer.Ordinal)],
            TcbDate = both.TcbDate,
        };
    }

    private static TcbLevel? FindLevel(TcbInfo info, PckExtension pck, TdxReportBody body)
    {
        foreach (TcbLevel level in info.Levels)
        {
            if (IsSgxMatch(level, pck) && IsTdxMatch(level, body.TeeTcbSvn))
            {
                return level;
            }
        }

        return null;
    }

    // Component by component: as arrays or strings a platform with a higher first and a lower second component would pass.
    private static bool IsSgxMatch(TcbLevel level, PckExtension pck)
    {
        for (int i = 0; i < PckExtension.Components; i++)
        {
            if (pck.ComponentSvns[i] < level.SgxComponents[i])
            {
                return false;
            }
        }

        return pck.PceSvn >= level.PceSvn;
    }

    // From generation 1 on, the module identity decides about the module's own components, 0 and 1.
    private static bool IsTdxMatch(TcbLevel level, ReadOnlySpan<byte> svn)
    {
        for (int i = svn[1] == 0 ? 0 : 2; i < PckExtension.Components; i++)
        {
            if (svn[i] < level.TdxComponents[i])
            {
                return false;
            }
        }

        return true;
    }

    private static bool MayRelaunch(TcbStatus sgx, TcbStatus status, TcbStatus module, TcbStatus qe, TdxReportBody body) =>
        body.Is15
        && qe is not (TcbStatus.OutOfDate or TcbStatus.OutOfDateConfigurationNeeded or TcbStatus.Revoked)
        && sgx is TcbStatus.UpToDate or TcbStatus.SWHardeningNeeded or TcbStatus.ConfigurationNeeded or TcbStatus.ConfigurationAndSWHardeningNeeded
        && status is TcbStatus.OutOfDate or TcbStatus.OutOfDateConfigurationNeeded
        && module == TcbStatus.OutOfDate;

    private static bool IsLoadedModuleNewest(TcbInfo info, TdxReportBody body)
    {
        ReadOnlySpan<byte> loaded = body.TeeTcbSvn2;
        if (info.Levels.IsEmpty || loaded[2] < info.Levels[0].TdxComponents[2])
        {
            return false;
        }

        if (loaded[1] == 0)
        {
            return loaded[0] >= info.Levels[0].TdxComponents[0];
        }

        TdxModuleIdentity? module = FindModule(info, ModuleIdOf(loaded));
        return module is { Levels: [{ } newest, ..] } && loaded[0] >= newest.IsvSvn;
    }
}
