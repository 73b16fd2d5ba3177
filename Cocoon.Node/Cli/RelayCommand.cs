using System.CommandLine;
using Cocoon.Node.Cli.Rendering;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon relay</c>: reservations held and granted, circuits, and their limits.</summary>
internal static class RelayCommand
{
    private static readonly Column[] Columns =
    [
        new("id", "ID", IsHidden: true) { IsKey = true },
        new("kind", "KIND"),
        new("peer", "PEER") { IsId = true },
        new("name", "NAME"),
        new("destination", "TO") { IsId = true },
        new("address", "ADDRESS"),
        new("expires_in_seconds", "ENDS IN", r => Words.Age(r["expires_in_seconds"]), IsRight: true) { IsVolatile = true },
        new("limit_bytes", "LIMIT", IsRight: true),
        new("limit_seconds", "SECONDS", IsRight: true),
        new("bytes_there", "THERE", IsRight: true) { IsVolatile = true },
        new("bytes_back", "BACK", IsRight: true) { IsVolatile = true },
    ];

    public static Command Build() => ListCommand.Build(
        "relay",
        "Relays: reservations that lead to this node (held), those of others with it (granted), connections through it (circuit)\n\nExample: cocoon relay -o json",
        "/control/relay",
        "rows",
        Columns,
        "limits in bytes each way; with -o json also the service's own limits and counters");
}
