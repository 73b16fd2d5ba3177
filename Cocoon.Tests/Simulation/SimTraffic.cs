namespace Cocoon.Tests.Simulation;

/// <summary>Bytes of one node, by what they were for.</summary>
internal sealed class SimTraffic
{
    private readonly long[] _bytes = new long[Enum.GetValues<SimPurpose>().Length];

    /// <summary>Connections that it opened.</summary>
    public int Dials { get; set; }

    public int FailedDials { get; set; }

    public long Total => _bytes.Sum();

    public long Of(SimPurpose purpose) => _bytes[(int)purpose];

    public void Sent(string protocol, int bytes) => _bytes[(int)Classify(protocol)] += bytes;

    public void Received(string protocol, int bytes) => _bytes[(int)Classify(protocol)] += bytes;

    public void Connected(int bytes) => _bytes[(int)SimPurpose.Connections] += bytes;

    public void Clear()
    {
        Array.Clear(_bytes);
        (Dials, FailedDials) = (0, 0);
    }

    private static SimPurpose Classify(string protocol) =>
        protocol.StartsWith("/meshsub/", StringComparison.Ordinal) ? SimPurpose.Gossip
        : protocol.EndsWith("/kad/1.0.0", StringComparison.Ordinal) ? SimPurpose.Dht
        : SimPurpose.OfferRequests;
}

internal enum SimPurpose
{
    Gossip,
    Dht,
    OfferRequests,
    Connections,
}
