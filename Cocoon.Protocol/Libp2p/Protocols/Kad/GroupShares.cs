namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>
/// How much of a store each address group may have. Keys near us are made in no time, and the store keeps what is near: without this one
/// address could push out all that others placed.
/// </summary>
/// <remarks>Not thread-safe. Counts what was added since the last recount, so that it need not hear of each entry that goes.</remarks>
internal sealed class GroupShares(int capacity)
{
    /// <summary>Own choice: a group has an eighth.</summary>
    private const int Shares = 8;

    private readonly Dictionary<string, int> _counts = [];

    /// <summary><c>false</c> when the group has its share; <c>null</c>, for us and a private network, has no limit.</summary>
    public bool TryTake(string? group)
    {
        if (group is null)
        {
            return true;
        }

        int count = _counts.GetValueOrDefault(group);
        bool taken = count < Math.Max(1, capacity / Shares);
        _counts[group] = taken ? count + 1 : count;
        return taken;
    }

    /// <param name="groups">Of each entry that is there now.</param>
    public void Recount(IEnumerable<string?> groups)
    {
        _counts.Clear();
        foreach (string group in groups.OfType<string>())
        {
            _counts[group] = _counts.GetValueOrDefault(group) + 1;
        }
    }
}
