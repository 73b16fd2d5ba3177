using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>What a validator says of a message.</summary>
public enum ValidationResult
{
    /// <summary>Deliver and forward.</summary>
    Accept,

    /// <summary>Neither deliver nor forward; the sender is not blamed (stale, duplicate in content, over a rate).</summary>
    Ignore,

    /// <summary>Neither deliver nor forward, and lower the score of everybody who sent it.</summary>
    Reject,
}

/// <summary>A message whose StrictSign signature holds.</summary>
/// <param name="From">The peer that signed it.</param>
/// <param name="ReceivedFrom">The neighbour that brought it.</param>
public sealed record TopicMessage(
    string Topic, ReadOnlyMemory<byte> Data, PeerId From, PeerId ReceivedFrom, ulong SequenceNumber, DateTimeOffset ReceivedAt);

/// <summary>Judges a message before it is delivered or forwarded. Called concurrently, off the router's lock, under a time limit.</summary>
public delegate ValueTask<ValidationResult> TopicValidator(TopicMessage message, CancellationToken cancellationToken);

/// <summary>Takes an accepted message. Called concurrently; returns quickly, for it holds a validation worker.</summary>
public delegate ValueTask TopicHandler(TopicMessage message, CancellationToken cancellationToken);
