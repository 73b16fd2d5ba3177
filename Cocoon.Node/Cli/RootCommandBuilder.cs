using System.CommandLine;
using Cocoon.Protocol.Cryptography.Hpke;

namespace Cocoon.Node.Cli;

/// <summary>The table of contents of the command line: one file per command beside this one.</summary>
internal static class RootCommandBuilder
{
    public static RootCommand Build() => Build(HpkeSuite.Accepted);

    /// <param name="accepted">Suites that a light client seals to.</param>
    internal static RootCommand Build(IReadOnlyList<HpkeSuite> accepted) => new RootCommand("Cocoon: private, paid, peer-to-peer AI inference on TON.")
    {
        UpCommand.Build(),
        ClientCommand.Build(accepted),
        ChatCommand.Build(),
        StatusCommand.Build(),
        PeersCommand.Build(),
        PeerCommand.Build(),
        PingCommand.Build(),
        OffersCommand.Build(),
        DhtCommand.Build(),
        GossipCommand.Build(),
        RelayCommand.Build(),
        NetCommand.Build(),
        EventsCommand.Build(),
        ModelsCommand.Build(),
        BenchCommand.Build(),
        GpuCommand.Build(),
        ServingCommands.BuildPause(),
        ServingCommands.BuildResume(),
        ServingCommands.BuildDrain(),
        ServingCommands.BuildPrice(),
        WalletCommand.Build(),
        KeysCommand.Build(),
        ChannelsCommand.Build(),
        BondCommand.Build(),
        WatchtowerCommand.Build(),
        RegistryCommand.Build(),
        VerifyCommand.Build(),
        AttestCommand.Build(),
    }.RefuseBlankValues();
}
