namespace Cocoon.Protocol.Sessions;

/// <summary>Versions of a session, as Hello and Welcome name them.</summary>
internal static class SessionVersions
{
    /// <summary>One request.</summary>
    public const uint One = 1;

    /// <summary>Requests one after the other, while the quote lasts.</summary>
    public const uint Several = 2;

    /// <summary>The highest that both speak; 0: none.</summary>
    public static uint Choose(IEnumerable<uint> offered)
    {
        uint best = 0;
        foreach (uint version in offered)
        {
            best = version is One or Several && version > best ? version : best;
        }

        return best;
    }
}
