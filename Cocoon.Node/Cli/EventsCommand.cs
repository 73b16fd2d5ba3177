using System.CommandLine;
using Cocoon.Node.Cli.Rendering;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon events</c>: the live tape of a node.</summary>
internal static class EventsCommand
{
    private const string Types =
        "peer_joined peer_identified peer_left · offer_heard offer_changed offer_withdrawn offer_expired · request_answered request_failed "
        + "session_ended session_declined · voucher channel · port_mapping · gossip (only when asked for) · events_lost";

    public static Command Build()
    {
        Option<string?> type = new("--type") { Description = "Only these, comma separated", HelpName = "A,B" };
        Option<int> last = new Option<int>("--last") { Description = "Begin with up to this many of the past", DefaultValueFactory = _ => 0 }.Within(0, 1_000_000);
        Option<int?> count = EventTape.Count();
        Option<OutputFormat?> output = EventTape.Output();
        NodeSource source = new();
        Command command = new("events", $"What happens, as it happens; JSON lines in a pipe\n\nTypes: {Types}\n\nExample: cocoon events --type voucher,request_answered | jq .") { type, last, count, output };
        source.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            EventTape tape = new(parse.GetValue(output), parse.GetValue(count));
            if (Split(parse.GetValue(type) ?? "").Except(Split(Types.Replace(" (only when asked for)", "", StringComparison.Ordinal))).FirstOrDefault() is { } unknown)
            {
                throw new CliException(ExitCode.Usage, $"there is no event type '{unknown}'", null, "Types: " + Types);
            }

            await using ObservedNode node = await source.OpenAsync(parse, cancellationToken);
            string path = $"/control/events?last={parse.GetValue(last)}";
            if (parse.GetValue(type) is { } types)
            {
                path += $"&types={Uri.EscapeDataString(types)}";
            }

            return await tape.PrintAsync(node.Client.EventsAsync(path, cancellationToken), static _ => true, cancellationToken);
        });
        return command;
    }

    private static string[] Split(string types) => types.Split([' ', ',', '·'], StringSplitOptions.RemoveEmptyEntries);
}
