using System.Text.Json.Nodes;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>The prefix cache of a provider, seen by two users of one client, who share its channel.</summary>
/// <remarks>That a stranger's first token takes as many steps as any is counted in <c>PrefixCacheTests</c>.</remarks>
public sealed class CacheIsolationTests
{
    private static readonly string Prompt = string.Concat(Enumerable.Repeat("Cocoon keeps every prompt private. ", 30));

    [Test, CancelAfter(60_000)]
    public async Task SamePrompt_OfAnotherUserOnTheSameChannel_IsNotSeenAsCached(CancellationToken cancellationToken)
    {
        ChatAnswer first = await AskAsync("alice"), again = await AskAsync("alice"), other = await AskAsync("bob"), nobody = await AskAsync(null);
        ChatAnswer[] all = [first, again, other, nobody];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(all.Select(a => a.ErrorText), Is.All.Empty);
            Assert.That(all.Select(a => a.Channel).Distinct().Count(), Is.EqualTo(1), "one channel, so the provider's host cannot tell them apart");
            Assert.That(Cached(first), Is.Zero);
            Assert.That(Cached(again), Is.GreaterThan(0), "the cache works for its owner");
            Assert.That(Cached(other), Is.Zero);
            Assert.That(Cached(nobody), Is.Zero);
        }

        JsonObject offers = await SharedNetwork.Client.GetAsync("/control/offers?explain=true", cancellationToken);
        JsonNode offer = offers["offers"]!.AsArray().Single(o => (string)o!["peer"]! == SharedNetwork.Cheap.PeerId)!;
        Assert.That(((string?)offer["cache"], (double)offer["cache_age_seconds"]! >= 0), Is.EqualTo(("warm", true)), "and the router knows who holds what was read");
        Assert.That((double)offer["expected_ttft_ms"]!, Is.LessThan((double)offer["expected_ms"]!));

        Task<ChatAnswer> AskAsync(string? user)
        {
            JsonObject body = Chat.Ask(Prompt, SharedNetwork.Cheap.PeerId);
            body["max_tokens"] = 4;
            if (user is not null)
            {
                body["user"] = user;
            }

            return Chat.StreamAsync(SharedNetwork.Client, body, cancellationToken);
        }
    }

    /// <summary>Two conversations of one length, read at two providers: each goes on at its own, which no ranking of providers alone can bring about.</summary>
    [Test, CancelAfter(60_000)]
    public async Task Conversation_ThatGoesOn_StaysWhereItWasRead(CancellationToken cancellationToken)
    {
        CocoonNode client = await SharedNetwork.Network.StartClientAsync("talker", CocoonNetwork.Ton, cancellationToken);
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, SharedNetwork.Cheap, SharedNetwork.Dear);
        string first = string.Concat(Enumerable.Repeat("Every word of this conversation was read before. ", 80)), second = "No. " + first;
        for (int i = 0; i < 3; i++)
        {
            await AskAsync(first, SharedNetwork.Dear);
            await AskAsync(second, SharedNetwork.Cheap);
        }

        ChatAnswer atDear = await AskAsync(first + "What comes next?", null), atCheap = await AskAsync(second + "What comes next?", null);
        await client.StopAsync();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((atDear.Provider, atCheap.Provider), Is.EqualTo((SharedNetwork.Dear.PeerId, SharedNetwork.Cheap.PeerId)));
            Assert.That(Math.Min(Cached(atDear), Cached(atCheap)), Is.GreaterThan(500));
        }

        async Task<ChatAnswer> AskAsync(string prompt, CocoonNode? provider)
        {
            JsonObject body = Chat.Ask(prompt, provider?.PeerId);
            body["max_tokens"] = 4;
            body["user"] = "alice";
            ChatAnswer answer = await Chat.StreamAsync(client, body, cancellationToken);
            Assert.That(answer.ErrorText, Is.Empty);
            return answer;
        }
    }

    private static int Cached(ChatAnswer answer) => (int)answer.Usage!["prompt_tokens_details"]!["cached_tokens"]!;
}
