namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>One published message as received or made, with its encoding kept for verification and forwarding.</summary>
/// <remarks>
/// Fields are slices of <see cref="Raw"/>: <c>from</c> 1, <c>data</c> 2, <c>seqno</c> 3, <c>topic</c> 4, <c>signature</c> 5, <c>key</c> 6.
/// Nothing is verified by the type itself; <see cref="MessageSigning"/> does that.
/// </remarks>
internal sealed class GossipMessage
{
    private MessageId? _id;

    /// <summary>The encoded message, as it goes into the next RPC.</summary>
    public required ReadOnlyMemory<byte> Raw { get; init; }

    public ReadOnlyMemory<byte> From { get; init; }

    public ReadOnlyMemory<byte> Data { get; init; }

    public ReadOnlyMemory<byte> SequenceNumber { get; init; }

    public required string Topic { get; init; }

    public ReadOnlyMemory<byte> Signature { get; init; }

    public ReadOnlyMemory<byte> Key { get; init; }

    /// <summary>Computed on first use; meaningful once <see cref="MessageSigning.HasStrictSignFields"/> holds.</summary>
    public MessageId Id => _id ??= MessageId.Of(From.Span, SequenceNumber.Span);

    /// <summary>The same message on memory of its own, so that it does not keep a whole received frame alive.</summary>
    public GossipMessage Detach() => GossipRpcReader.ReadMessage(Raw.ToArray());
}
