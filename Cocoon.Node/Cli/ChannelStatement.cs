using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;

namespace Cocoon.Node.Cli;

/// <summary>Prints a channel's statement: numbers, transactions, and the sums that must come out.</summary>
internal static class ChannelStatement
{
    public static void Write(JsonObject document, OutputFormat format, TextWriter output) =>
        RowWriter.WriteObject(document, format, d => [.. Numbers(d), .. Transactions(d["entries"]!.AsArray()), .. Checks(d["checks"]!.AsArray())], output);

    private static IEnumerable<(string Label, string Value)> Numbers(JsonObject d)
    {
        JsonNode channel = d["channel"]!, money = d["money"]!;
        bool pays = channel["direction"]!.ToString() == "out";
        yield return ("CHANNEL", $"{channel["address"]}");
        yield return ("STATE", $"{channel["state"]} · {(pays ? "we pay" : "we are paid")} · next: {channel["next_step"]}");
        yield return (pays ? "PROVIDER" : "CLIENT", $"{channel["peer"] ?? channel["counterparty"]}");
        yield return ("DEPOSIT", $"{Nine(channel["deposit_nanoton"])} TON, the most it can pay over its life");
        yield return ("VOUCHERED", $"{Nine(channel["vouchered_nanoton"])} TON in {channel["vouchers"]} vouchers");
        yield return ("OWED", $"{Nine(channel["spent_nanoton"])} TON by the sessions served");
        yield return ("REDEEMED", $"{Nine(money["redeemed_nanoton"] ?? channel["redeemed_nanoton"])} TON paid out for vouchers");
        yield return ("SENT", $"{Nine(money["sent_nanoton"])} TON from this wallet to the channel");
        yield return ("RETURNED", $"{Nine(money["returned_nanoton"])} TON from the channel to this wallet");
        yield return ("FEES", $"{Nine(money["wallet_fees_nanoton"])} TON by this wallet's transactions, {Nine(money["channel_fees_nanoton"])} TON by the channel's");
        yield return ("LEFT THERE", $"{Nine(money["left_in_channel_nanoton"])} TON");
        yield return ("WALLET", $"{Nine(money["wallet_before_nanoton"])} → {Nine(money["wallet_after_nanoton"])} TON");
        yield return ("", "");
    }

    private static IEnumerable<(string Label, string Value)> Transactions(JsonArray entries)
    {
        yield return ("", $"{"TIME (UTC)",-20}{"ACCOUNT",-9}{"RECEIVED",13}{"SENT",13}{"FEES",13}{"CHANGE",14}  WHAT");
        foreach (JsonNode? e in entries)
        {
            string time = DateTimeOffset.FromUnixTimeSeconds(e!["time_unix"]!.GetValue<long>()).ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
            yield return ("", $"{time,-20}{e["account"],-9}{Nine(e["received_nanoton"]),13}{Nine(e["sent_nanoton"]),13}{Nine(e["fees_nanoton"]),13}{Nine(e["change_nanoton"]),14}  {e["what"]}");
        }

        yield return ("", "");
    }

    private static IEnumerable<(string Label, string Value)> Checks(JsonArray checks)
    {
        foreach (JsonNode? check in checks)
        {
            string verdict = check!["unexplained_nanoton"]?.ToString() switch
            {
                null => "not checked: the endpoint no longer shows all of it",
                "0" => "exact",
                var left => $"UNEXPLAINED: {left} nanoTON",
            };
            yield return ("", $"{verdict,-6} {check["name"],-9} {check["equation"]}");
        }
    }

    /// <summary>All nine digits, so that columns can be added up by eye.</summary>
    private static string Nine(JsonNode? nanoton) =>
        decimal.TryParse(nanoton?.ToString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out decimal value)
            ? (value / 1_000_000_000m).ToString("0.000000000", CultureInfo.InvariantCulture)
            : "-";
}
