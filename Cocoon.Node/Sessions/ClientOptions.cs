using Cocoon.Node.Payments;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Sessions;

/// <summary>How a light client asks and pays.</summary>
internal sealed class ClientOptions
{
    /// <summary>Loopback address and port of the OpenAI API; port 0 lets the system choose.</summary>
    public string ApiListen { get; set; } = "127.0.0.1:8484";

    public Shape Shape { get; set; } = Shape.Steady;

    /// <summary>Accept providers without hardware protection when a request does not say otherwise.</summary>
    public bool AllowOpenTier { get; set; }

    /// <summary>What evidence is accepted; <see cref="AllowOpenTier"/> and a request's own word add simulated evidence to it.</summary>
    public AppraisalPolicy Policy { get; set; } = AppraisalPolicy.Default;

    /// <summary>Suites that requests are sealed under; a key of any other is not usable.</summary>
    public IReadOnlyList<HpkeSuite> Suites { get; init; } = HpkeSuite.Accepted;

    /// <summary>Accept simulated evidence, which is tier open.</summary>
    public bool AllowSimulated => AllowOpenTier;

    /// <summary>What may leave the wallet without asking.</summary>
    public SpendOptions Spending { get; set; } = new();

    /// <summary>Privacy relays on every stream to a provider; <c>null</c>: as many as were ever used from this data directory.</summary>
    public int? Relays { get; set; }

    /// <summary>Providers that may be asked for one request; in tier open each of them sees the prompt.</summary>
    public int MaxAttempts { get; set; } = 2;

    /// <summary>Time to find an offer while none is known at all: the node may still be joining.</summary>
    public TimeSpan DiscoveryWait { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>Time to find an offer for a model while others are on offer.</summary>
    public TimeSpan UnknownModelWait { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Time to find another provider after one has failed, in the middle of an answer too: an application hears of it within two seconds.</summary>
    public TimeSpan ReplacementWait { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// How long to look for an offer. A client that has just joined may not have heard of a model yet; one that has been listening for a
    /// while has, and says so at once.
    /// </summary>
    /// <param name="knowsAny">Whether anything is on offer.</param>
    /// <param name="listening">How long the client has been running.</param>
    /// <param name="replacesOne">Whether a provider of this request has failed: it may have been the only one, and takes its offers back.</param>
    public TimeSpan OfferWait(bool knowsAny, TimeSpan listening, bool replacesOne)
    {
        TimeSpan wait = !knowsAny ? DiscoveryWait : listening < UnknownModelWait ? UnknownModelWait - listening : TimeSpan.Zero;
        return replacesOne && wait > ReplacementWait ? ReplacementWait : wait;
    }
}
