namespace Cocoon.Node.PrivacyRelay;

/// <summary>Fewer privacy relays are known than were asked for. Nothing was sent: a request never falls back to a direct path.</summary>
internal sealed class NoRelayException(int wanted, int known)
    : IOException($"{wanted} privacy {(wanted == 1 ? "relay was" : "relays were")} asked for, {known} known")
{
    public int Wanted { get; } = wanted;

    public int Known { get; } = known;
}
