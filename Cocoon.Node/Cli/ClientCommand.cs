using System.CommandLine;
using Cocoon.Node.Attestation;
using Cocoon.Node.Hosting;
using Cocoon.Node.OpenAi;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon client</c>: the light client with its OpenAI-compatible endpoint on localhost.</summary>
internal static class ClientCommand
{
    /// <param name="suites">Suites that the client seals to.</param>
    public static Command Build(IReadOnlyList<HpkeSuite> suites)
    {
        NodeOptionSet common = new();
        Option<string> api = new("--api") { Description = "Loopback address of the OpenAI API", DefaultValueFactory = _ => "127.0.0.1:8484", HelpName = "HOST:PORT" };
        Option<bool> allowOpen = new("--allow-open")
        {
            Description = "Accept providers without hardware protection (tier open, simulated evidence): their owners can read your prompts",
        };
        Option<string> shape = new("--shape") { Description = "Default answer shape: steady (hides token timing), fast or batch", DefaultValueFactory = _ => "steady" };
        SpendOptionSet spending = new();
        Option<int?> relays = new Option<int?>("--relays")
        {
            Description = "Privacy relays between you and providers, 0 to 2: they hide your address (default: as many as were used before)", HelpName = "N",
        }.Within(0, RelayProtocol.MaxRelays);
        Option<string?> policyFile = AttestCommand.PolicyOption();
        Command command = new("client", "Run a light client: an OpenAI API on localhost, paid from your wallet\n\nExample: cocoon client --bootstrap /ip4/203.0.113.5/tcp/4484/p2p/12D3KooW…")
        {
            api, allowOpen, shape, relays, policyFile,
        };
        spending.AddTo(command);
        common.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            if (!CocoonExtension.TryParseShape(parse.GetValue(shape)!, out Shape parsed))
            {
                throw new CliException(ExitCode.Usage, $"there is no shape '{parse.GetValue(shape)}'", null, "Use steady, fast or batch.");
            }

            NodeOptions node = common.Read(parse, NodeRole.Client);
            ClientOptions client = new()
            {
                Policy = PolicyFiles.Read(parse.GetValue(policyFile), node.DataDirectory),
                ApiListen = parse.GetValue(api)!,
                AllowOpenTier = parse.GetValue(allowOpen),
                Shape = parsed,
                Relays = parse.GetValue(relays),
                Spending = spending.Read(parse),
                Suites = suites,
            };
            return await NodeRunner.RunAsync(
                node, serving: null, client, common.IsVerbose(parse), common.PrintsReadyJson(parse), cancellationToken);
        });
        return command;
    }
}
