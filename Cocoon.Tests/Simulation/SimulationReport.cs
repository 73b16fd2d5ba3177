using System.Globalization;
using System.Text.Json;

namespace Cocoon.Tests.Simulation;

/// <summary>What a run found. Times are virtual milliseconds unless said otherwise.</summary>
internal sealed record SimulationReport
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    public int Schema { get; init; } = 1;

    public required int Nodes { get; init; }

    public required int Providers { get; init; }

    public required int Models { get; init; }

    public required double ChurnPerMinute { get; init; }

    public required double Minutes { get; init; }

    public required int Seed { get; init; }

    /// <summary><c>warm</c>: the network was there, with tables and connections given to it; <c>cold</c>: it formed in the run.</summary>
    public required string Start { get; init; }

    public required int ConnectionsHigh { get; init; }

    /// <summary>Offers published and followed to everybody who uses their model.</summary>
    public required int Offers { get; init; }

    /// <summary>Share of those who should have heard an offer that did.</summary>
    public required double Delivered { get; init; }

    public required double PropagationP50 { get; init; }

    public required double PropagationP99 { get; init; }

    /// <summary>Copies that a node receives of a message beside the first.</summary>
    public required double DuplicatesPerMessage { get; init; }

    /// <summary>Gossip messages that a node takes in a second, without duplicates.</summary>
    public required double MessagesPerSecond { get; init; }

    /// <summary>Bytes a second of a node that uses models, in and out together.</summary>
    public required double ClientBytesPerSecond { get; init; }

    public required double ClientBytesPerSecondP99 { get; init; }

    public required double ProviderBytesPerSecond { get; init; }

    /// <summary>Where a client's bytes go.</summary>
    public required IReadOnlyDictionary<string, double> ClientBytesByPurpose { get; init; }

    public required int Lookups { get; init; }

    /// <summary>Share of lookups of peers and of providers that found a live one.</summary>
    public required double LookupSuccess { get; init; }

    public required double LookupMilliseconds { get; init; }

    public required double HopsMean { get; init; }

    public required double HopsP99 { get; init; }

    public required double RequestsPerLookup { get; init; }

    /// <summary>How long a client that asks for a model waits for the first offer, and how often it gets none within 10 s.</summary>
    public required double FirstOfferP50 { get; init; }

    public required double FirstOfferP99 { get; init; }

    public required double FirstOfferMissed { get; init; }

    /// <summary>How long after a crash books still hold the offer.</summary>
    public required double CrashedOfferP50 { get; init; }

    public required double CrashedOfferMax { get; init; }

    /// <summary>How long after a withdrawal books still show the offer.</summary>
    public required double WithdrawnOfferP99 { get; init; }

    /// <summary>Books that still show an offer 2 s after its withdrawal.</summary>
    public required double WithdrawnMissedShare { get; init; }

    /// <summary>Bytes a second of any node, in and out together.</summary>
    public required double NodeBytesPerSecond { get; init; }

    /// <summary>Connections that a node opens a minute, and dials that fail.</summary>
    public required double DialsPerMinute { get; init; }

    public required double FailedDialsPerMinute { get; init; }

    public required double ConnectionsMean { get; init; }

    /// <summary>Peers of the routing table, mean over DHT servers.</summary>
    public required double TableMean { get; init; }

    public required int Strays { get; init; }

    public required double WallSeconds { get; init; }

    public required double CpuSeconds { get; init; }

    public required double PeakMegabytes { get; init; }

    public string ToJson() => JsonSerializer.Serialize(this, Json);

    public string ToTable()
    {
        (string Name, string Value)[] rows =
        [
            ("nodes, providers, models", $"{Nodes}, {Providers}, {Models}"),
            ("start, churn a minute, minutes, seed", F($"{Start}, {ChurnPerMinute:P1}, {Minutes}, {Seed}")),
            ("offer propagation p50 / p99", F($"{PropagationP50:F0} / {PropagationP99:F0} ms")),
            ("offers delivered", F($"{Delivered:P2} of {Offers} offers' users")),
            ("duplicates a message", F($"{DuplicatesPerMessage:F2}")),
            ("messages a node and second", F($"{MessagesPerSecond:F2}")),
            ("bytes a client and second, p99", F($"{ClientBytesPerSecond:F0}, {ClientBytesPerSecondP99:F0}")),
            ("  of these " + string.Join(", ", ClientBytesByPurpose.Keys), string.Join(", ", ClientBytesByPurpose.Values.Select(value => F($"{value:F0}")))),
            ("bytes a provider and second, any node", F($"{ProviderBytesPerSecond:F0}, {NodeBytesPerSecond:F0}")),
            ("lookups that succeed", F($"{LookupSuccess:P2} of {Lookups}")),
            ("hops mean / p99, requests, time", F($"{HopsMean:F2} / {HopsP99:F0}, {RequestsPerLookup:F1}, {LookupMilliseconds:F0} ms")),
            ("first offer p50 / p99, missed", F($"{FirstOfferP50:F0} / {FirstOfferP99:F0} ms, {FirstOfferMissed:P2}")),
            ("crashed offer lives p50 / max", CrashedOfferMax == 0 ? "none crashed" : F($"{CrashedOfferP50 / 1000:F1} / {CrashedOfferMax / 1000:F1} s")),
            ("withdrawn offer gone p99, not in 2 s", F($"{WithdrawnOfferP99:F0} ms, {WithdrawnMissedShare:P2}")),
            ("dials a node and minute, failed", F($"{DialsPerMinute:F1}, {FailedDialsPerMinute:F1}")),
            ("connections, routing table", F($"{ConnectionsMean:F1} (trimmed at {ConnectionsHigh}), {TableMean:F1}")),
            ("run", F($"{WallSeconds:F0} s ({CpuSeconds:F0} s of CPU), {PeakMegabytes:F0} MB, {Strays} strays")),
        ];
        int width = rows.Max(row => row.Name.Length);
        return string.Join(Environment.NewLine, rows.Select(row => row.Name.PadRight(width) + "  " + row.Value));
    }

    private static string F(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
