using Cocoon.Node.Cli;
using Cocoon.Node.Diagnostics;
using Cocoon.Node.Discovery;
using Cocoon.Node.Peers;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Node.Control;

/// <summary>The part of the control API that looks at the network; every kind of node serves it, a throwaway one too.</summary>
internal static class NetworkEndpoints
{
    private static readonly TimeSpan DefaultWait = TimeSpan.FromSeconds(15);

    public static void MapNetwork(this WebApplication app)
    {
        app.MapGet("/control/peers", (PeerReporter reporter) => Answer(() => Task.FromResult(reporter.Peers())));
        app.MapGet("/control/peers/{peer}", (PeerDetailReporter reporter, PeerResolver resolver, string peer) =>
            Answer(() => Task.FromResult(reporter.Show(resolver.Resolve(peer)))));
        app.MapPost("/control/peers/{peer}/name", (PeerNames names, PeerResolver resolver, string peer, PeerNameRequest request) =>
            Answer(() => Task.FromResult(Name(names, resolver, resolver.Resolve(peer), request.Name))));
        app.MapGet("/control/peers/{peer}/ping", (PeerProbe probe, PeerResolver resolver, string peer, string? address, int? timeout_ms, CancellationToken ct) =>
            Answer(() => probe.PingAsync(resolver.Resolve(peer), address is null ? null : Multiaddr.Parse(address), Wait(timeout_ms), ct)));
        app.MapGet("/control/offers", (OfferReporter reporter, OfferFinder finder, string? model, bool? explain, int? wait_ms, CancellationToken ct) =>
            Answer(() => OffersAsync(reporter, finder, model, explain ?? false, wait_ms, ct)));
        app.MapGet("/control/dht/table", (DhtReporter reporter) => Answer(() => Task.FromResult(reporter.Table())));
        app.MapGet("/control/dht/peer", (DhtReporter reporter, string peer, int? timeout_ms, CancellationToken ct) =>
            Answer(() => reporter.FindPeerAsync(peer, Wait(timeout_ms), ct)));
        app.MapGet("/control/dht/providers", (DhtReporter reporter, OfferFinder finder, string key, int? timeout_ms, int? search_ms, CancellationToken ct) =>
            Answer(async () =>
            {
                await SearchAsync(finder, () => reporter.Knows(key), key, search_ms, ct);
                return await reporter.FindProvidersAsync(key, Wait(timeout_ms), ct);
            }));
        app.MapGet("/control/dht/value", (DhtReporter reporter, string key, int? timeout_ms, CancellationToken ct) =>
            Answer(() => reporter.GetAsync(key, Wait(timeout_ms), ct)));
        app.MapPost("/control/dht/value", (DhtReporter reporter, DhtPutRequest request, int? timeout_ms, CancellationToken ct) =>
            Answer(() => reporter.PutAsync(request, Wait(timeout_ms), ct)));
        app.MapGet("/control/gossip/topics", (GossipReporter reporter) => Answer(() => Task.FromResult(reporter.Topics())));
        app.MapGet("/control/gossip/mesh", (GossipReporter reporter) => Answer(() => Task.FromResult(reporter.Mesh())));
        app.MapGet("/control/gossip/scores", (GossipReporter reporter) => Answer(() => Task.FromResult(reporter.Scores())));
        app.MapGet("/control/relay", (RelayReporter reporter) => Answer(() => Task.FromResult(reporter.Report())));
        app.MapGet("/control/net/doctor", (NetDoctor doctor, CancellationToken ct) => Answer(() => doctor.ExamineAsync(ct)));
        app.MapEvents();
    }

    private static Task<IResult> Answer<T>(Func<Task<T>> work) => ControlEndpoints.Answer(work);

    private static TimeSpan Wait(int? milliseconds) => milliseconds is > 0 and var wait ? TimeSpan.FromMilliseconds(wait) : DefaultWait;

    /// <summary>With a wait, searches first when the book is empty: a throwaway peer has only just come.</summary>
    private static async Task<OffersDocument> OffersAsync(
        OfferReporter reporter, OfferFinder finder, string? model, bool explain, int? waitMilliseconds, CancellationToken cancellationToken)
    {
        await SearchAsync(finder, () => reporter.Offers(model, explain).Offers.Count > 0, model, waitMilliseconds, cancellationToken);
        return reporter.Offers(model, explain);
    }

    /// <summary>Asks around for a model, or for any, until it is known or the time is over; without a time not at all.</summary>
    private static async Task SearchAsync(OfferFinder finder, Func<bool> isKnown, string? model, int? waitMilliseconds, CancellationToken cancellationToken)
    {
        if (waitMilliseconds is not > 0)
        {
            return;
        }

        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Wait(waitMilliseconds));
        try
        {
            while (!isKnown())
            {
                await finder.SearchAsync(model, limit.Token);
                await Task.Delay(TimeSpan.FromMilliseconds(250), limit.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // What there is by now is the answer.
        }
    }

    private static PeerNameDocument Name(PeerNames names, PeerResolver resolver, PeerId peer, string? name)
    {
        if (name is not null && !PeerNames.IsName(name))
        {
            throw new CliException(ExitCode.Usage, $"'{name}' is no name for a peer", $"1 to {PeerNames.MaxLength} letters, digits, '.', '_' or '-', and nothing like a peer id");
        }

        if (name is not null && resolver.FindOther(peer, name) is { } other)
        {
            throw new CliException(ExitCode.Usage, $"'{name}' was not given", $"it is a part of the id of {other}, which every command would take for {peer} then", "Choose another name.");
        }

        return names.Set(peer, name)
            ? new PeerNameDocument(ControlJson.Schema, peer.ToString(), name)
            : throw new CliException(ExitCode.Usage, $"'{name}' was not given", "another peer has that name, or there are too many names", "Take the name away with 'cocoon peer name PEER --remove'.");
    }
}

internal sealed record PeerNameRequest(string? Name);
