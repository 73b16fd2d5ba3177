using Cocoon.Node.Cli;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Control;

/// <summary>Finds one channel by what a person typed: address, account id, or a unique beginning of either.</summary>
internal static class ChannelFinder
{
    /// <exception cref="CliException">None or several.</exception>
    public static T Find<T>(IEnumerable<T> channels, Func<T, CellHash> key, string id)
    {
        string wanted = TonAddress.TryParse(id, out TonAddress address) ? address.Id.ToString() : id.ToLowerInvariant();
        T[] found = [.. channels.Where(c =>
            key(c).ToString().StartsWith(wanted, StringComparison.OrdinalIgnoreCase)
            || new TonAddress(0, key(c)).ToFriendly(bounceable: true).StartsWith(id, StringComparison.Ordinal))];
        return found.Length switch
        {
            1 => found[0],
            0 => throw new CliException(ExitCode.NotFound, $"there is no channel '{id}' here", null, "See 'cocoon channels'."),
            _ => throw new CliException(ExitCode.Usage, $"'{id}' names {found.Length} channels", null, "Write more of the id."),
        };
    }
}
