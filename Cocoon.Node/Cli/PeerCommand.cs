using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon peer show|name</c>: one peer in full, and what its owner calls it.</summary>
internal static class PeerCommand
{
    public static Argument<string> Peer() => new("peer") { Description = "Peer id, any part of it that only one known peer has, or a name given with 'cocoon peer name'" };

    public static Command Build() => new("peer", "One peer: show it, name it")
    {
        BuildShow(),
        BuildName(),
    };

    private static Command BuildShow()
    {
        Argument<string> peer = Peer();
        Option<OutputFormat> output = CommonOptions.Output();
        NodeSource source = new();
        Command command = new("show", "Everything this node knows of a peer\n\nExample: cocoon peer show R9cSJ9 -o json") { peer, output };
        source.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            await using ObservedNode node = await source.OpenAsync(parse, cancellationToken);
            JsonObject document = await node.Client.GetAsync($"/control/peers/{ControlClient.Segment(parse.GetValue(peer)!, "peer")}", ListCommand.Wait, cancellationToken);
            RowWriter.WriteObject(document, parse.GetValue(output), PeerSections.Lines, Console.Out);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command BuildName()
    {
        Argument<string> peer = Peer();
        Argument<string?> name = new("name") { Description = "The name: letters, digits, '.', '_' and '-'", Arity = ArgumentArity.ZeroOrOne };
        Option<bool> remove = new("--remove") { Description = "Take the name away" };
        Option<string> data = CommonOptions.Data();
        Option<OutputFormat> output = CommonOptions.Output();
        Command command = new("name", "Give a peer a name of your own; it stays on this machine\n\nExample: cocoon peer name R9cSJ9 basement-4090") { peer, name, remove, data, output };
        command.Run(async (parse, cancellationToken) =>
        {
            if (parse.GetValue(name) is null == !parse.GetValue(remove))
            {
                throw new CliException(ExitCode.Usage, "a name, or --remove, is needed");
            }

            using Control.ControlClient client = new(parse.GetValue(data)!);
            JsonObject document = await client.PostAsync(
                $"/control/peers/{ControlClient.Segment(parse.GetValue(peer)!, "peer")}/name", new JsonObject { ["name"] = parse.GetValue(name) }, ListCommand.Wait, cancellationToken);
            RowWriter.WriteObject(document, parse.GetValue(output), d => [("PEER", $"{d["peer"]}"), ("NAME", $"{d["name"] ?? "-"}")], Console.Out);
            return ExitCode.Ok;
        });
        return command;
    }
}
