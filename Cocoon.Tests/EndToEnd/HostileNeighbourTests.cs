using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Tests.Support;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>A node whose only neighbour tells it offers that nobody honest would sign: it goes on, and its terminal shows plain text.</summary>
public sealed class HostileNeighbourTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly string _directory = System.IO.Directory.CreateTempSubdirectory("cocoon-").FullName;

    [OneTimeTearDown]
    public void DeleteDirectory() => System.IO.Directory.Delete(_directory, recursive: true);

    [Test, CancelAfter(120_000)]
    public async Task Node_ThatHearsAbsurdOffers_GoesOn(CancellationToken cancellationToken)
    {
        if (CocoonProgram.MissingPrerequisite() is { } missing)
        {
            Assert.Ignore(missing);
        }

        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        await using Libp2pHost neighbour = await TestHosts.StartAsync(key: key);
        neighbour.Handle(OfferTopics.FetchProtocol, async (stream, token) =>
        {
            OffersResponse response = new();
            response.Offers.AddRange(AbsurdOffers(neighbour.LocalPeer, key).Select(offer => UnsafeByteOperations.UnsafeWrap(offer.Signed)));
            await LengthPrefixed.WriteAsync(stream, response, token);
            await stream.CloseWriteAsync(token);
        });
        await using CocoonNode node = await CocoonNode.StartAsync(
            "node", ["up", "--no-model", "--listen", "/ip4/127.0.0.1/tcp/0", "--bootstrap", neighbour.FullAddress().ToString(), "--lan", "--no-mdns"],
            Path.Combine(_directory, "node"), cancellationToken);
        await Eventually.GetAsync(
            "every offer is heard",
            async () => (await node.GetAsync("/control/offers", cancellationToken))["offers"]!.AsArray().Count == AbsurdOffers(neighbour.LocalPeer, key).Count() ? node : null,
            s_patience,
            cancellationToken);

        // What follows an offer is done by then: a lookup of its provider, a dial, another look around.
        await node.GetAsync($"/control/peers/{neighbour.LocalPeer}/ping", cancellationToken);
        foreach (string[] command in (string[][])[["offers"], ["offers", "--explain"], ["peers"], ["peer", "show", neighbour.LocalPeer.ToString()], ["status"]])
        {
            CommandResult result = await CocoonProgram.RunAsync(cancellationToken, [.. command, "--data", node.DataDirectory]);
            Assert.That(result.ExitCode, Is.Zero, $"{string.Join(' ', command)}: {result.Error}");
            Assert.That(result.Output.Where(c => char.IsControl(c) && c is not '\n'), Is.Empty, string.Join(' ', command));
            Assert.That(result.Output, Does.Not.Contain("\n  forged"), string.Join(' ', command));
        }

        Assert.That(node.IsAlive, Is.True);
        Assert.That(await node.StopAsync(), Is.Zero, node.LogTail());
    }

    private static IEnumerable<VerifiedOffer> AbsurdOffers(PeerId peer, Ed25519PrivateKey key)
    {
        using TestOffers offers = new(DateTimeOffset.UtcNow);
        Action<Offer>[] changes =
        [
            offer => offer.Addresses.Add(ByteString.CopyFrom(LongAddresses.Relayed.Bytes)),
            offer => offer.ModelName = "model\u001b[2J\u009b31m\r\n  forged yes\u202e",
            offer => (offer.Region, offer.Hardware, offer.Agent, offer.EvidenceKind) = ("\u001b]0;x\u0007", "\n  forged", "\r\n  forged", "tdx\n  forged"),
            offer => (offer.SlotsTotal, offer.SlotsFree, offer.Queue, offer.ContextTokens, offer.MaxOutputTokens) = (uint.MaxValue, uint.MaxValue, uint.MaxValue, uint.MaxValue, uint.MaxValue),
            offer => (offer.DecodeTokensPerSecond, offer.PrefillTokensPerSecond) = (float.MaxValue, -float.MaxValue),
            offer => (offer.DecodeTokensPerSecond, offer.PrefillTokensPerSecond) = (float.Epsilon, float.Epsilon),
            offer => (offer.UptimeSinceMs, offer.HardwareMemoryBytes, offer.PriceVersion, offer.KeyEpoch) = (ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue),
            offer => (offer.Terms.MinChallengeSeconds, offer.Terms.MinDepositNanoton, offer.Terms.MaxCreditNanoton, offer.Terms.GlobalId) = (uint.MaxValue, ulong.MaxValue, ulong.MaxValue, int.MinValue),
            offer => (offer.Prices.Prompt, offer.Prices.Cached, offer.Prices.Completion) = (OfferLimits.MaxPrice, OfferLimits.MaxPrice, OfferLimits.MaxPrice),
            offer => (offer.Sequence, offer.Bond) = (ulong.MaxValue, "\u001b[31mbond"),
            offer => offer.Capabilities.AddRange(Enumerable.Repeat("\u001b[1m", OfferLimits.MaxItems)),
        ];
        for (int i = 0; i < changes.Length; i++)
        {
            Offer offer = offers.Create();
            byte[] modelId = [.. TestOffers.ModelId[..31], (byte)(100 + i)];
            offer.ModelId = ByteString.CopyFrom(modelId);
            changes[i](offer);
            yield return OfferWriter.Sign(offer, peer, key);
        }
    }
}
