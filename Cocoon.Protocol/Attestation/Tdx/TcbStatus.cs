using System.Collections.Immutable;

namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>Intel's verdict on a platform's TCB, by its words.</summary>
internal enum TcbStatus
{
    UpToDate,
    SWHardeningNeeded,
    ConfigurationNeeded,
    ConfigurationAndSWHardeningNeeded,
    OutOfDate,
    OutOfDateConfigurationNeeded,

    /// <summary>The platform is current, but this TD was launched before it was: start it again.</summary>
    TDRelaunchAdvised,
    TDRelaunchAdvisedConfigurationNeeded,

    /// <summary>Terminal: no policy accepts it.</summary>
    Revoked,

    /// <summary>Terminal: no level of Intel's list matches.</summary>
    TcbNotSupported,
}

internal static class TcbStatuses
{
    /// <summary>Those among which a policy may choose.</summary>
    public static ImmutableArray<TcbStatus> Negotiable { get; } =
        [.. Enum.GetValues<TcbStatus>().Where(s => s is not (TcbStatus.Revoked or TcbStatus.TcbNotSupported))];

    /// <summary>Exact words of the signed lists; the two relaunch words and <c>TcbNotSupported</c> are results and never in a list.</summary>
    public static bool TryParseListed(string? word, out TcbStatus status) =>
        Enum.TryParse(word, out status)
        && status.ToString() == word
        && status is not (TcbStatus.TcbNotSupported or TcbStatus.TDRelaunchAdvised or TcbStatus.TDRelaunchAdvisedConfigurationNeeded);

    /// <summary>Lets the worse of two verdicts through: that of the TDX module or of the quoting enclave into that of the platform.</summary>
    /// <remarks>Intel's Quote Verification Library, <c>convergeTcbStatus</c>.</remarks>
    public static TcbStatus Converge(TcbStatus platform, TcbStatus other) => other switch
    {
        _ when platform == TcbStatus.Revoked => TcbStatus.Revoked,
        TcbStatus.Revoked => TcbStatus.Revoked,
        TcbStatus.OutOfDate or TcbStatus.OutOfDateConfigurationNeeded => platform switch
        {
            TcbStatus.UpToDate or TcbStatus.SWHardeningNeeded => TcbStatus.OutOfDate,
            TcbStatus.ConfigurationNeeded or TcbStatus.ConfigurationAndSWHardeningNeeded => TcbStatus.OutOfDateConfigurationNeeded,
            _ => platform,
        },
        _ => platform,
    };
}
