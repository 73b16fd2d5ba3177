using System.Text.Json.Nodes;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>An owner pauses, reprices and resumes a running provider; clients see it.</summary>
public sealed class ServingControlTests
{
    [Test, CancelAfter(150_000)]
    public async Task Provider_PausedRepricedAndResumed_IsSeenByItsClient(CancellationToken cancellationToken)
    {
        CocoonNode provider = await SharedNetwork.Network.StartProviderAsync("owner", 0.5m, 0.5m, cancellationToken);
        CocoonNode client = await SharedNetwork.Network.StartClientAsync("watcher", 0, cancellationToken);
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, provider);
        CommandResult paused = await CocoonProgram.RunAsync(cancellationToken, "pause", "--data", provider.DataDirectory, "-o", "json");
        Assert.That(paused.ExitCode, Is.Zero, paused.Error);
        Assert.That((bool)JsonNode.Parse(paused.Output)!["open"]!, Is.False);
        await OfferAsync("is withdrawn", o => o is null);
        string status = (await CocoonProgram.RunAsync(cancellationToken, "status", "--data", provider.DataDirectory)).Output;
        Assert.That(status, Does.Contain("paused by its owner"));

        CommandResult priced = await CocoonProgram.RunAsync(cancellationToken, "price", "set", "--out", "0.75", "--data", provider.DataDirectory);
        CommandResult resumed = await CocoonProgram.RunAsync(cancellationToken, "resume", "--data", provider.DataDirectory);
        Assert.That((priced.ExitCode, resumed.ExitCode), Is.EqualTo((0, 0)), priced.Error + resumed.Error);
        await OfferAsync("is back at the new price", o => (string?)o?["price_completion"] == "750000000" && (string?)o["price_prompt"] == "500000000");
        CommandResult drained = await CocoonProgram.RunAsync(cancellationToken, "drain", "--timeout", "30", "--data", provider.DataDirectory);
        Assert.That(drained.ExitCode, Is.Zero, drained.Error);

        async Task OfferAsync(string what, Func<JsonObject?, bool> holds) => await Eventually.GetAsync(
            $"the offer {what}",
            async () =>
            {
                JsonObject document = await client.GetAsync("/control/offers", cancellationToken);
                JsonObject? offer = document["offers"]!.AsArray().OfType<JsonObject>().FirstOrDefault(o => (string)o["peer"]! == provider.PeerId);
                return holds(offer) ? document : null;
            },
            TimeSpan.FromSeconds(30),
            cancellationToken);
    }
}
