using System.Collections.Concurrent;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;

namespace Cocoon.Node.Discovery;

/// <summary>Offers and directories over gossipsub: joins the topics of the models in use, validates, and fills the book.</summary>
/// <remarks>
/// Malformed, oversized or foreign offers are rejected (their senders lose score); expired, skewed, old or too frequent ones are only
/// ignored, for they happen to honest peers too, and counted against who signed them. What ran out long ago is counted against who brings
/// it: nobody hands on what he ignores, so that it was kept to be replayed, and its signer has no part in that.
/// </remarks>
internal sealed partial class OfferGossip(
    GossipsubRouter gossip, OfferBook book, ModelDirectory directory, SignerConduct conduct, NetworkName network, TimeProvider time, ILogger<OfferGossip> logger)
    : IAsyncDisposable
{
    /// <summary>Topics joined at a time; the models one node uses.</summary>
    private const int MaxTopics = 256;

    /// <summary>Past this time after its end an offer was not on its way: clocks differ, and messages are kept for five heartbeats. Own choice.</summary>
    private static readonly TimeSpan Late = OfferLimits.ClockSkew + TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, Task<IAsyncDisposable>> _joined = new();
    private readonly ConcurrentDictionary<string, ReadOnlyMemory<byte>> _models = new();

    /// <summary>Ids of the models whose topics this node is in, by their hexadecimal form.</summary>
    public IEnumerable<KeyValuePair<string, ReadOnlyMemory<byte>>> Models => _models;

    /// <summary>Raised for each message with what validation said of it. Handlers return quickly.</summary>
    public event Action<TopicMessage, ValidationResult>? Judged;

    /// <summary>Reads and verifies offers; the simulator puts its memory of earlier results in front.</summary>
    internal OfferReading Read { get; init; } = OfferReader.TryRead;

    public async Task JoinDirectoryAsync(CancellationToken cancellationToken) =>
        await JoinAsync(OfferTopics.Directory(network.Value), ValidateDirectoryAsync, TakeDirectoryAsync, cancellationToken);

    /// <summary>Idempotent.</summary>
    public async Task JoinModelAsync(ReadOnlyMemory<byte> modelId, CancellationToken cancellationToken)
    {
        // Before the first offer comes: those of other models are not taken.
        string hex = Convert.ToHexStringLower(modelId.Span);
        bool isNew = _models.TryAdd(hex, modelId);
        if (!await JoinAsync(OfferTopics.ForModel(network.Value, modelId.Span), ValidateOfferAsync, TakeOfferAsync, cancellationToken) && isNew)
        {
            _models.TryRemove(hex, out _);
        }
    }

    /// <summary>Whether the topic of the model has as many neighbours in its mesh as gossip wants at least.</summary>
    public bool HasMesh(ReadOnlyMemory<byte> modelId) => gossip.HasMesh(OfferTopics.ForModel(network.Value, modelId.Span));

    /// <summary>Neighbours that gossip about the model's offers with us.</summary>
    public IReadOnlyList<PeerId> NeighboursOf(ReadOnlyMemory<byte> modelId) => gossip.SubscribersOf(OfferTopics.ForModel(network.Value, modelId.Span));

    /// <summary>The peer knows offers of a model that we follow: it is one to gossip with.</summary>
    public void Attend(PeerId peer) => gossip.Attend(peer);

    public async Task PublishAsync(VerifiedOffer offer, CancellationToken cancellationToken) =>
        await gossip.PublishAsync(OfferTopics.ForModel(network.Value, offer.Offer.ModelId.Span), offer.Signed, cancellationToken);

    public async Task PublishDirectoryAsync(ReadOnlyMemory<byte> signed, CancellationToken cancellationToken) =>
        await gossip.PublishAsync(OfferTopics.Directory(network.Value), signed, cancellationToken);

    /// <summary>Takes an offer that came on another way than gossip, or an accepted one that did.</summary>
    /// <param name="modelId">The model that was asked for: others are not taken; empty for every model.</param>
    /// <param name="from">Who answered; <c>null</c> for gossip.</param>
    /// <param name="answeredFrom">The network (/24 or /48) that it answered from, where that is a public one.</param>
    public OfferRejection Add(ReadOnlyMemory<byte> signed, OfferSource source, ReadOnlyMemory<byte> modelId = default, PeerId? from = null, string? answeredFrom = null)
    {
        OfferRejection rejection = Read(signed, time.GetUtcNow(), out VerifiedOffer? offer);
        return rejection != OfferRejection.None ? rejection
            : modelId.IsEmpty || offer!.Offer.ModelId.Span.SequenceEqual(modelId.Span) ? book.Add(offer!, source, isFirstHand: offer!.Peer == from, offer.Peer == from ? answeredFrom : null)
            : OfferRejection.Malformed;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Task<IAsyncDisposable> joining in _joined.Values)
        {
            await (await joining).DisposeAsync();
        }
    }

    /// <returns><c>false</c> when this node is in as many topics as it may be.</returns>
    private async Task<bool> JoinAsync(string topic, TopicValidator validator, TopicHandler handler, CancellationToken cancellationToken)
    {
        if (_joined.Count >= MaxTopics && !_joined.ContainsKey(topic))
        {
            return false;
        }

        // Not tied to one caller's cancellation: the subscription is everybody's.
        await _joined.GetOrAdd(topic, t => gossip.SubscribeAsync(t, validator, handler, CancellationToken.None).AsTask()).WaitAsync(cancellationToken);
        return true;
    }

    private ValueTask<ValidationResult> ValidateOfferAsync(TopicMessage message, CancellationToken cancellationToken)
    {
        OfferRejection rejection = OfferReader.Check(message.Data, time.GetUtcNow(), out PeerId? publisher, out Offer? offer);
        if (rejection is OfferRejection.Oversized or OfferRejection.Malformed or OfferRejection.BadSignature
            || publisher != message.From
            || message.Topic != OfferTopics.ForModel(network.Value, offer!.ModelId.Span))
        {
            return Tell(message, ValidationResult.Reject);
        }

        // A topic names 8 bytes of an id, and somebody may make up as many models behind them as a book has places.
        string model = Convert.ToHexStringLower(offer.ModelId.Span);
        bool accepted = rejection == OfferRejection.None
            && conduct.TryTake(message.From)
            && _models.ContainsKey(model)
            && !book.IsOutdated(message.From, model, offer.Sequence, message.Data.Span);
        return Tell(message, accepted ? ValidationResult.Accept : Ignore(WhoIsToBlame(message, rejection, offer)));
    }

    private PeerId? WhoIsToBlame(TopicMessage message, OfferRejection rejection, Offer offer)
    {
        bool isLate = rejection == OfferRejection.Expired
            && offer.ExpiresAtMs + (ulong)Late.TotalMilliseconds < (ulong)time.GetUtcNow().ToUnixTimeMilliseconds();
        return isLate ? message.ReceivedFrom
            : rejection is OfferRejection.Expired or OfferRejection.FromTheFuture && message.ReceivedFrom != message.From ? null
            : message.From;
    }

    private ValueTask TakeOfferAsync(TopicMessage message, CancellationToken cancellationToken)
    {
        OfferRejection rejection = Add(message.Data, OfferSource.Gossip);
        if (rejection != OfferRejection.None)
        {
            Log.OfferNotTaken(logger, rejection);
        }

        return ValueTask.CompletedTask;
    }

    private ValueTask<ValidationResult> ValidateDirectoryAsync(TopicMessage message, CancellationToken cancellationToken)
    {
        ValidationResult result = directory.Judge(message.Data, message.From);
        bool isTooMany = result == ValidationResult.Accept && !conduct.TryTake(message.From);
        return Tell(
            message,
            isTooMany ? Ignore(message.From)
                : result == ValidationResult.Ignore ? Ignore(message.ReceivedFrom == message.From ? message.From : null)
                : result);
    }

    private ValidationResult Ignore(PeerId? blamed)
    {
        if (blamed is not null)
        {
            conduct.Ignored(blamed);
        }

        return ValidationResult.Ignore;
    }

    private ValueTask<ValidationResult> Tell(TopicMessage message, ValidationResult result)
    {
        Judged?.Invoke(message, result);
        return ValueTask.FromResult(result);
    }

    private ValueTask TakeDirectoryAsync(TopicMessage message, CancellationToken cancellationToken)
    {
        directory.Add(message.Data, message.From);
        return ValueTask.CompletedTask;
    }

    private static partial class Log
    {
        [LoggerMessage(1101, LogLevel.Debug, "An offer was not taken: {Reason}")]
        public static partial void OfferNotTaken(ILogger logger, OfferRejection reason);
    }
}
