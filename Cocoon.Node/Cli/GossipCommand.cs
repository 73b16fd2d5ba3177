using System.CommandLine;
using Cocoon.Node.Cli.Rendering;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon gossip</c>: topics, meshes, scores, and the messages as they pass.</summary>
internal static class GossipCommand
{
    private static readonly Column[] TopicColumns =
    [
        new("topic", "TOPIC") { IsKey = true },
        new("subscribed", "SUBSCRIBED", r => (bool?)r["subscribed"] == true ? "yes" : "publishes only"),
        new("mesh", "MESH", IsRight: true),
        new("peers", "PEERS", IsRight: true),
    ];

    private static readonly Column[] MeshColumns =
    [
        new("topic", "TOPIC") { IsKey = true },
        new("peer", "PEER") { IsKey = true, IsId = true },
        new("name", "NAME"),
        new("in_mesh", "IN MESH", r => (bool?)r["in_mesh"] == true ? "yes" : "no"),
        new("direction", "DIR"),
        new("protocol", "PROTOCOL"),
        new("score", "SCORE", r => Words.Number(r["score"], "0.0"), IsRight: true) { IsVolatile = true },
    ];

    private static readonly Column[] ScoreColumns =
    [
        new("peer", "PEER") { IsKey = true, IsId = true },
        new("name", "NAME"),
        Part("score", "SCORE"),
        Part("p1", "P1 MESH"),
        Part("p2", "P2 FIRST"),
        Part("p3", "P3 DELIVERY"),
        Part("p3b", "P3B FAILURE"),
        Part("p4", "P4 INVALID"),
        Part("p5", "P5 APP"),
        Part("p6", "P6 IP"),
        Part("p7", "P7 BEHAVIOUR"),
        new("queued", "QUEUED", IsRight: true) { IsVolatile = true },
    ];

    /// <summary>A throwaway peer learns of models, and so of their topics, from the directories that their providers publish.</summary>
    private const string Newcomer =
        "heard at once: the topic of directories (…/models/1); the offers of a model only after the next directory has named it. A node that runs hears both all the time.";

    public static Command Build() => new("gossip", "Gossipsub as this node takes part in it")
    {
        ListCommand.Build("topics", "Topics joined or published to\n\nExample: cocoon gossip topics", "/control/gossip/topics", "topics", TopicColumns),
        ListCommand.Build("mesh", "Neighbours by topic, and which of them are in the mesh\n\nExample: cocoon gossip mesh --filter in_mesh=true", "/control/gossip/mesh", "peers", MeshColumns),
        ListCommand.Build("scores", "The score this node gives each neighbour, by its parts\n\nExample: cocoon gossip scores --sort score", "/control/gossip/scores", "peers", ScoreColumns),
        BuildTail(),
    };

    private static Column Part(string field, string header) =>
        new(field, header, r => Words.Number(r[field], "0.00"), IsRight: true) { IsVolatile = true };

    private static Command BuildTail()
    {
        Argument<string?> topic = new("topic") { Description = "Only topics that contain this", Arity = ArgumentArity.ZeroOrOne };
        Option<int?> count = EventTape.Count();
        Option<OutputFormat?> output = EventTape.Output();
        NodeSource source = new();
        Command command = new("tail", "Messages as they arrive, with what validation says of each\n\nExample: cocoon gossip tail offers --count 10") { topic, count, output };
        source.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            EventTape tape = new(parse.GetValue(output), parse.GetValue(count));
            await using ObservedNode node = await source.OpenAsync(parse, cancellationToken);
            string? wanted = parse.GetValue(topic);
            if (node.IsEphemeral)
            {
                await Console.Error.WriteLineAsync(Newcomer);
            }

            return await tape.PrintAsync(
                node.Client.EventsAsync("/control/events?types=gossip", cancellationToken),
                e => wanted is null || ((string?)e["topic"])?.Contains(wanted, StringComparison.Ordinal) == true,
                cancellationToken);
        });
        return command;
    }
}
