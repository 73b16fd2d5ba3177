using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon offers</c>: who serves what, for how much, and how the router would choose.</summary>
internal static class OffersCommand
{
    /// <summary>A throwaway peer knows nothing at first.</summary>
    private static readonly TimeSpan NewcomerWait = TimeSpan.FromSeconds(10);

    private const string PricesNote = "* TON per 1,000,000 tokens";

    private const string ExplainNote =
        "SCORE = RELIAB\u00b2 / (COST \u00d7 \u221aTIME) of a new question of 128 tokens with 256 to answer. A request that goes on with a prompt that a provider\n"
        + "holds (CACHE) counts the shared part there at the cached price and as read already.";

    private static readonly Column[] Columns =
    [
        new("rank", "RANK"),
        new("peer", "PEER") { IsKey = true, IsId = true },
        new("name", "NAME"),
        new("model", "MODEL"),
        new("model_id", "MODEL ID", IsHidden: true) { IsKey = true, IsId = true },
        new("quantisation", "QUANT"),
        new("tier", "TIER"),
        new("evidence_kind", "EVIDENCE"),
        new("price_prompt", "IN*", r => Words.Ton(r["price_prompt"], 3), IsRight: true),
        new("price_cached", "CACHED*", r => Words.Ton(r["price_cached"], 3), IsRight: true, IsHidden: true),
        new("price_completion", "OUT*", r => Words.Ton(r["price_completion"], 3), IsRight: true),
        new("context_tokens", "CTX", IsRight: true),
        new("slots_free", "SLOTS", r => $"{r["slots_free"]}/{r["slots_total"]}", IsRight: true),
        new("slots_total", "SLOTS TOTAL", IsRight: true, IsHidden: true),
        new("queue", "QUEUE", IsRight: true, IsHidden: true),
        new("claimed_tokens_per_second", "TOK/S CLAIMED", r => (double?)r["claimed_tokens_per_second"] is 0 ? "-" : Words.Number(r["claimed_tokens_per_second"], "0"), IsRight: true),
        new("measured_tokens_per_second", "TOK/S SEEN", r => Words.Number(r["measured_tokens_per_second"], "0"), IsRight: true),
        new("ttft_ms", "TTFT SEEN", r => Words.Number(r["ttft_ms"], "0", " ms"), IsRight: true),
        new("reliability", "RELIAB", r => Words.Number(r["reliability"], "0.0%"), IsRight: true, IsHidden: true),
        new("answers", "ANSWERS", IsRight: true, IsHidden: true),
        new("age_seconds", "AGE", r => Words.Age(r["age_seconds"]), IsRight: true) { IsVolatile = true },
        new("expires_in_seconds", "EXPIRES", r => Words.Age(r["expires_in_seconds"]), IsRight: true, IsHidden: true) { IsVolatile = true },
        new("payout", "PAYOUT", IsHidden: true) { IsId = true },
        new("bond", "BOND", IsHidden: true) { IsId = true },
        new("expected_ttft_ms", "TTFT EST", r => Words.Number(r["expected_ttft_ms"], "0", " ms"), IsRight: true, IsHidden: true) { IsVolatile = true },
        new("expected_ms", "TIME EST", r => Words.Number(r["expected_ms"], "0", " ms"), IsRight: true, IsHidden: true) { IsVolatile = true },
        new("expected_cost_nanoton", "COST EST", r => Words.Number(r["expected_cost_nanoton"], "0", " nanoTON"), IsRight: true, IsHidden: true),
        new("cache", "CACHE", r => r["cache"] is null ? "-" : $"{r["cache"]} {Words.Age(r["cache_age_seconds"])} ago", IsHidden: true),
        new("cache_age_seconds", "CACHE AGE", r => Words.Age(r["cache_age_seconds"]), IsRight: true, IsHidden: true) { IsVolatile = true },
        new("cache_prompt_tokens", "CACHE PROMPT", IsRight: true, IsHidden: true),
        new("cache_cached_tokens", "CACHE READ BEFORE", IsRight: true, IsHidden: true),
        new("score", "SCORE", r => (double?)r["score"] is > 0 ? Words.Number(r["score"], "0.000e0") : "-", IsRight: true, IsHidden: true),
        new("verdict", "VERDICT", IsHidden: true),
    ];

    public static Command Build()
    {
        Option<string?> model = new("--model") { Description = "Only this model, by name or id" };
        Option<bool> explain = new("--explain") { Description = "Rank them as the router would, with the reason of each rejection" };
        NodeSource source = new();
        RowOptionSet rows = new();
        Command command = new("offers", "Offers of GPU capacity that this node knows\n\nExample: cocoon offers --model cocoon-guide --explain") { model, explain };
        source.AddTo(command);
        rows.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            bool explained = parse.GetValue(explain);
            await using ObservedNode node = await source.OpenAsync(parse, cancellationToken);
            string query = $"/control/offers?explain={(explained ? "true" : "false")}";
            if (parse.GetValue(model) is { } name)
            {
                query += $"&model={Uri.EscapeDataString(name)}";
            }

            if (node.IsEphemeral)
            {
                query += $"&wait_ms={(int)NewcomerWait.TotalMilliseconds}";
            }

            Column[] columns = explained
                ? [.. Columns.Select(c => c.Field is "expected_ttft_ms" or "expected_ms" or "cache" or "expected_cost_nanoton" or "score" or "verdict" or "reliability" ? c with { IsHidden = false } : c)]
                : [.. Columns.Select(c => c.Field == "rank" ? c with { IsHidden = true } : c)];
            int known = 0;
            int code = await rows.PrintAsync(
                parse,
                async t =>
                {
                    JsonObject document = await node.Client.GetAsync(query, ListCommand.Wait, t);
                    known = document["offers"]!.AsArray().Count;
                    return document;
                },
                "offers", columns, explained ? $"{PricesNote}\n{ExplainNote}" : PricesNote, cancellationToken);
            return parse.GetValue(model) is not { } wanted || known > 0 || rows.IsWatched(parse)
                ? code
                : throw new CliException(ExitCode.NotFound, $"no offer of '{wanted}' is known", null, "See 'cocoon offers' for what is on offer; names are written as there.");
        });
        return command;
    }
}
