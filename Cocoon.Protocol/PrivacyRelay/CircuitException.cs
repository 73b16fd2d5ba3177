using Cocoon.Protocol.Identity;
using Cocoon.Protocol.PrivacyRelay.Proto;

namespace Cocoon.Protocol.PrivacyRelay;

/// <summary>A hop of a circuit did not do what it was asked.</summary>
/// <param name="hop">The hop that said so, or at which it broke.</param>
/// <param name="status">Its answer; <see cref="OpenStatus.OpenUnspecified"/> when it gave none.</param>
internal sealed class CircuitException(PeerId hop, OpenStatus status, string message, Exception? inner = null) : IOException(message, inner)
{
    public PeerId Hop { get; } = hop;

    public OpenStatus Status { get; } = status;
}
