namespace Cocoon.Protocol.Libp2p.Muxers;

/// <summary>What a stream still has to send. Guarded by the session's lock.</summary>
internal sealed class YamuxSendState(StreamOperation write)
{
    public StreamOperation Write { get; } = write;

    /// <summary>Flags for the next frame: SYN or ACK on the first one.</summary>
    public YamuxFlags Flags { get; set; }

    /// <summary>What the remote lets us send.</summary>
    public long Window { get; set; } = YamuxStream.InitialWindow;

    /// <summary>Window to announce.</summary>
    public uint Update { get; set; }

    /// <summary>The rest of the pending write; the caller's memory until the write completes.</summary>
    public ReadOnlyMemory<byte> Pending { get; set; }

    public bool InControlQueue { get; set; }

    public bool InDataQueue { get; set; }

    /// <summary>We ended our side; the frame may still be queued.</summary>
    public bool Ended { get; set; }

    public bool RemoteEnded { get; set; }

    /// <summary>Forgotten by the session: reset by either side, or both ended.</summary>
    public bool Closed { get; set; }

    /// <summary>The remote acknowledged the stream that we opened.</summary>
    public bool Acknowledged { get; set; }
}
