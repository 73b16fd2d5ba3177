namespace Cocoon.Node.Diagnostics;

internal enum NetVerdict
{
    Ok = 0,

    /// <summary>Could not be measured: neither good nor bad.</summary>
    Unmeasured = 1,
    Warn = 2,
    Fail = 3,
}

/// <summary>One finding of <c>net doctor</c>: what is so, why it matters, what to do.</summary>
internal sealed record NetCheck(string Name, NetVerdict Verdict, string What, string? Why = null, string? Fix = null)
{
    public static NetCheck Ok(string name, string what) => new(name, NetVerdict.Ok, what);

    public static NetCheck Unmeasured(string name, string why) => new(name, NetVerdict.Unmeasured, "could not measure", why);

    public static NetCheck Warn(string name, string what, string why, string fix) => new(name, NetVerdict.Warn, what, why, fix);

    public static NetCheck Fail(string name, string what, string why, string fix) => new(name, NetVerdict.Fail, what, why, fix);
}

/// <param name="Verdict">The worst of the checks: <c>ok</c>, <c>warn</c> or <c>fail</c>; what could not be measured does not count.</param>
internal sealed record NetDoctorDocument(
    int Schema, string Verdict, string NatKind, IReadOnlyList<NetDoctorDocument.CheckRow> Checks, IReadOnlyList<NetDoctorDocument.AddressRow> Addresses)
{
    /// <param name="Verdict"><c>ok</c>, <c>warn</c>, <c>fail</c> or <c>unmeasured</c>.</param>
    internal sealed record CheckRow(string Name, string Verdict, string What, string? Why, string? Fix);

    /// <summary>An address of this node.</summary>
    /// <param name="Announced">Identify tells it to peers.</param>
    /// <param name="Verified">Somebody reached us there: an inbound connection arrived at it, or a dial-back succeeded.</param>
    /// <param name="Observers">Connected peers that say they see us there.</param>
    internal sealed record AddressRow(string Address, string Source, bool Announced, bool Verified, int Observers);
}
