using System.Text.Json.Nodes;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>A paid answer through a privacy relay, with separate processes.</summary>
public sealed class PrivacyRelayTests
{
    [Test, CancelAfter(120_000)]
    public async Task Answer_ThroughARelay_IsPaidAndClosed_AndLaterOnesStayBehindIt(CancellationToken cancellationToken)
    {
        CocoonNetwork network = SharedNetwork.Network;
        CocoonNode provider = SharedNetwork.Dear;
        CocoonNode client = await network.StartClientAsync("hidden", CocoonNetwork.Ton, cancellationToken);
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, provider);
        JsonObject hidden = Chat.Ask("Who am I?", provider.PeerId);
        hidden["cocoon"]!["relays"] = 1;
        ChatAnswer answer = await Chat.StreamAsync(client, hidden, cancellationToken);
        ChatAnswer next = await Chat.StreamAsync(client, Chat.Ask("And now?", provider.PeerId), cancellationToken);
        JsonObject tooMany = Chat.Ask("And by two?", provider.PeerId);
        tooMany["cocoon"]!["relays"] = 2;
        ChatAnswer refused = await Chat.StreamAsync(client, tooMany, cancellationToken);
        string[] relay = [network.Bootstrap.PeerId];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(answer.ErrorText, Is.Empty);
            Assert.That(answer.Text, Is.EqualTo(TestModel.Sentence));
            Assert.That(answer.Cocoon!["relays"]!.AsArray().Select(r => (string)r!), Is.EqualTo(relay));
            Assert.That(next.Cocoon?["relays"]!.AsArray().Select(r => (string)r!), Is.EqualTo(relay), "not fewer than before, though nothing was asked for");
            Assert.That(refused.Error?["code"]?.GetValue<string>(), Is.EqualTo("no_relay"), "there is one relay: no fallback to fewer");
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task Answer_ThroughTwoRelays_PassesBothAndIsPaid(CancellationToken cancellationToken)
    {
        CocoonNetwork network = SharedNetwork.Network;
        CocoonNode second = await network.StartRelayAsync("second-relay", cancellationToken);
        CocoonNode client = await network.StartClientAsync(
            "behind-two", CocoonNetwork.Ton, cancellationToken, options: ["--bootstrap", second.Address, "--relays", "2"]);
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, SharedNetwork.Dear);
        ChatAnswer answer = await Chat.StreamAsync(client, Chat.Ask("Who am I?", SharedNetwork.Dear.PeerId), cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(answer.ErrorText, Is.Empty);
            Assert.That(answer.Text, Is.EqualTo(TestModel.Sentence));
            Assert.That(answer.VoucherTotal, Is.GreaterThan(0UL));
            Assert.That(answer.Cocoon!["relays"]!.AsArray().Select(r => (string)r!), Is.EquivalentTo(new[] { network.Bootstrap.PeerId, second.PeerId }));
        }
    }
}
