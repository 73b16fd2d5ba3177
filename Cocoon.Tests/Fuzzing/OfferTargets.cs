using Cocoon.Node.Discovery;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using NUnit.Framework;

namespace Cocoon.Tests.Fuzzing;

internal static class OfferTargets
{
    private static readonly DateTimeOffset Now = new(2026, 7, 1, 0, 0, 0, TimeSpan.Zero);

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("offers/offer", 400, Offer),
        new("offers/directory", 400, Directory),
    ];

    private static FuzzSubject Offer()
    {
        TestOffers offers = new(Now);
        byte[] good = offers.Sign(offers.Create()).Signed.ToArray();
        byte[] digest = VerifiedOffer.ComputeDigest(SignedOffer.Parser.ParseFrom(good).Offer.Span);
        return new FuzzSubject(
            bytes =>
            {
                OfferReader.Check(bytes, Now, out _, out _);
                if (OfferReader.TryRead(bytes, Now, out VerifiedOffer? read) == OfferRejection.None)
                {
                    // Only a change outside of the signed bytes (an unknown envelope field) may still verify.
                    Assert.That(read!.Digest.ToArray(), Is.EqualTo(digest));
                    _ = read.Addresses.Count();
                }
            },
            good)
        {
            Owned = offers,
        };
    }

    private static FuzzSubject Directory()
    {
        TestOffers offers = new(Now);
        byte[] good = ModelDirectory.Sign([offers.Create()], offers.Peer, offers.Key, Now);
        ModelDirectory directory = new(new Support.ManualTimeProvider(Now));
        return new FuzzSubject(
            bytes =>
            {
                directory.Judge(bytes, offers.Peer);
                directory.Add(bytes, offers.Peer);
            },
            good)
        {
            Owned = offers,
        };
    }
}
