using System.Collections.Immutable;

namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>What a policy accepts of a TDX platform and guest, besides the image's measurements.</summary>
internal sealed record TdxPolicy
{
    // x87 and SSE must be on; nothing beyond what TDX modules offer (Intel's QVL, XFAM fixed bits).
    private const ulong XfamRequired = 0x3;
    private const ulong XfamKnown = 0x0006_DBE7;

    public static TdxPolicy Strict { get; } = new();

    /// <summary>Statuses other than these are refused; <see cref="TcbStatus.Revoked"/> and <see cref="TcbStatus.TcbNotSupported"/> always are.</summary>
    public ImmutableHashSet<TcbStatus> Statuses { get; init; } = [TcbStatus.UpToDate];

    /// <summary>Against a host that serves an older list which has not run out yet.</summary>
    public uint MinimumTcbEvaluationDataNumber { get; init; }

    /// <summary>How long after the matched level's date an out-of-date platform still passes.</summary>
    public TimeSpan OutOfDateGrace { get; init; }

    /// <summary>MRSERVICETD values, hexadecimal; any other than zero and these is refused.</summary>
    public ImmutableHashSet<string> ServiceTds { get; init; } = [];

    /// <summary>Hexadecimal, 6 bytes each.</summary>
    public ImmutableHashSet<string> DeniedFmspcs { get; init; } = [];

    /// <summary>PPIDs, hexadecimal, 16 bytes each.</summary>
    public ImmutableHashSet<string> DeniedPlatforms { get; init; } = [];

    /// <summary>Advisories that may apply to a platform that is not up to date but accepted.</summary>
    public ImmutableHashSet<string> AcceptedAdvisories { get; init; } = [];

    public bool AllowPerfMon { get; init; }

    public void Check(TdxFacts facts, DateTimeOffset now, ICollection<string> reasons)
    {
        if (facts.Tcb is { } tcb)
        {
            CheckTcb(tcb, facts.TcbEvaluationDataNumber ?? 0, now, reasons);
        }

        CheckGuest(facts.Quote.Body, reasons);
        if (facts.Pck is { } pck && (DeniedFmspcs.Contains(pck.Fmspc) || DeniedPlatforms.Contains(Convert.ToHexStringLower(pck.Ppid.AsSpan()))))
        {
            reasons.Add(TdxReasons.PlatformDenied);
        }
    }

    private void CheckTcb(TcbEvaluation tcb, uint evaluationDataNumber, DateTimeOffset now, ICollection<string> reasons)
    {
        bool isTerminal = tcb.Status is TcbStatus.Revoked or TcbStatus.TcbNotSupported;
        bool isInGrace = tcb is { Status: TcbStatus.OutOfDate, TcbDate: { } date } && OutOfDateGrace > TimeSpan.Zero && now - date <= OutOfDateGrace;
        if (isTerminal || !(Statuses.Contains(tcb.Status) || isInGrace))
        {
            reasons.Add(TdxReasons.ForStatus(tcb.Status));
        }
        else if (tcb.Status != TcbStatus.UpToDate && !AcceptedAdvisories.IsSupersetOf(tcb.Advisories))
        {
            reasons.Add(TdxReasons.Advisory);
        }

        if (evaluationDataNumber < MinimumTcbEvaluationDataNumber)
        {
            reasons.Add(TdxReasons.TcbRollback);
        }
    }

    // Intel's library looks at none of these: a debug TD of the same image has the same measurements.
    private void CheckGuest(TdxReportBody body, ICollection<string> reasons)
    {
        ulong attributes = body.TdAttributeBits;
        string serviceTd = Convert.ToHexStringLower(body.MrServiceTd);
        bool isServiceTdListed = ServiceTds.Contains(serviceTd);
        Refuse((attributes & TdxAttributes.Debug) != 0, TdxReasons.Debug);
        Refuse((attributes & ~TdxAttributes.Known) != 0, TdxReasons.AttributesReserved);
        Refuse((attributes & TdxAttributes.SeptVeDisable) == 0, TdxReasons.SeptVeDisable);
        Refuse((attributes & TdxAttributes.Migratable) != 0 && !isServiceTdListed, TdxReasons.Migratable);
        Refuse((attributes & TdxAttributes.PerfMon) != 0 && !AllowPerfMon, TdxReasons.PerfMon);
        Refuse((body.XfamBits & XfamRequired) != XfamRequired || (body.XfamBits & ~XfamKnown) != 0, TdxReasons.Xfam);
        Refuse(body.MrServiceTd.ContainsAnyExcept((byte)0) && !isServiceTdListed, TdxReasons.ServiceTd);

        void Refuse(bool condition, string reason)
        {
            if (condition)
            {
                reasons.Add(reason);
            }
        }
    }
}
