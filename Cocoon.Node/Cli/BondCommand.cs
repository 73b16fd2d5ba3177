using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;
using Cocoon.Node.Hosting;
using Cocoon.Node.Payments;
using Cocoon.Node.Registry;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon bond</c>: a provider's optional stake. It is lost only by signing two contradicting statements.</summary>
internal static class BondCommand
{
    public static Command Build() => new("bond", "A provider's stake: anybody can see it, equivocation loses it\n\nExample: cocoon bond stake 10")
    {
        BuildShow(),
        BuildStake(),
        BuildSimple("unbond", "Begin to take the stake back; it can be withdrawn after the unbonding period", (bond, query) => bond.Unbond(query), (state, _) => Bonded(state)),
        BuildSimple("rebond", "Stay bonded after all", (bond, query) => bond.Rebond(query), (state, _) => Unbonding(state)),
        BuildSimple("withdraw", "Take the whole stake back; the bond ends", (bond, query) => bond.Withdraw(query), Withdrawable),
        BuildPublish(),
    };

    private static Command BuildShow()
    {
        WalletDesk desk = new();
        BondOptionSet bond = new();
        Command command = new("show", "The bond of this node, or of another by its address\n\nExample: cocoon bond show -o json");
        Argument<string?> address = new("address") { Description = "Another bond's address", Arity = ArgumentArity.ZeroOrOne };
        command.Arguments.Add(address);
        bond.AddTo(command);
        desk.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            NetworkProfile profile = await desk.ProfileAsync(parse, readsOnly: true, cancellationToken);
            TonAddress wanted = parse.GetValue(address) is { } text
                ? TypedAddress.Read(text)
                : bond.Read(parse, desk, profile).Address;
            TonAccount account = await WalletDesk.ReadAsync(profile, wanted, cancellationToken);
            BondState state = StateOf(account, wanted);
            JsonObject document = new()
            {
                ["schema"] = ControlJson.Schema,
                ["address"] = wanted.ToFriendly(bounceable: true),
                ["state"] = state.Slashed ? "slashed" : state.UnlockAt != 0 ? "unbonding" : "bonded",
                ["stake_nanoton"] = ControlJson.Nanoton(account.Balance),
                ["owner"] = state.Owner.ToFriendly(bounceable: false),
                ["peer_id"] = PeerId.FromPublicKey(state.NodeKey).ToString(),
                ["unlock_at"] = state.UnlockAt,
                ["unbond_period_seconds"] = state.Params.UnbondPeriod,
                ["min_stake_nanoton"] = ControlJson.Nanoton(state.Params.MinStake),
                ["registry"] = state.Params.Registry.ToFriendly(bounceable: true),
                ["profile_sequence"] = state.MetaSeq,
                ["profile_digest"] = state.MetaHash.ToString(),
            };
            RowWriter.WriteObject(
                document, parse.GetValue(desk.Chain.Output),
                d => d.Where(e => e.Key != "schema").Select(e => e.Key switch
                {
                    "unlock_at" => (e.Key, Words.UnixTime(e.Value, account.SyncTime)),
                    _ when e.Key.EndsWith("_nanoton", StringComparison.Ordinal) => (e.Key[..^8], $"{Words.Ton(e.Value)} TON"),
                    _ => (e.Key, e.Value!.ToString()),
                }),
                Console.Out);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command BuildStake()
    {
        WalletDesk desk = new();
        BondOptionSet bond = new();
        Argument<TonAmount> amount = TonAmount.Argument("amount", "TON to put at stake, or to add");
        Command command = new("stake", "Put TON at stake for this node's peer id, or add to it\n\nExample: cocoon bond stake 10 --yes") { amount };
        bond.AddTo(command);
        desk.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            NetworkProfile profile = await desk.ProfileAsync(parse, readsOnly: false, cancellationToken);
            ProviderBondContract contract = bond.Read(parse, desk, profile);
            TonAccount account = await WalletDesk.ReadAsync(profile, contract.Address, cancellationToken);
            bool deploy = !account.IsActive;
            ulong value = parse.GetValue(amount).Nanoton, query = ClientChannels.QueryId();
            CheckStake(value, deploy ? 0 : account.Balance, bond.Minimum(parse));
            return await desk.SendAsync(
                parse, $"bond-stake:{query}", $"{(deploy ? "make a bond with" : "add to the bond")} {MoneyWords.Ton(value)} TON at stake",
                [contract.AddStake(value, query, deploy)], d => Lines(d, contract), cancellationToken);
        });
        return command;
    }

    /// <param name="refusal">Why the bond would refuse it now, by its state and the chain's time: nobody pays a fee to be told.</param>
    private static Command BuildSimple(
        string verb, string description, Func<ProviderBondContract, ulong, Protocol.Ton.Messages.InternalMessage> message, Func<BondState, long, CliException?> refusal)
    {
        WalletDesk desk = new();
        BondOptionSet bond = new();
        Command command = new(verb, $"{description}\n\nExample: cocoon bond {verb} --yes");
        bond.AddTo(command);
        desk.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            NetworkProfile profile = await desk.ProfileAsync(parse, readsOnly: false, cancellationToken);
            ProviderBondContract contract = bond.Read(parse, desk, profile);
            TonAccount account = await WalletDesk.ReadAsync(profile, contract.Address, cancellationToken);
            if (refusal(StateOf(account, contract.Address), account.SyncTime) is { } refused)
            {
                throw refused;
            }

            ulong query = ClientChannels.QueryId();
            return await desk.SendAsync(
                parse, $"bond-{verb}:{query}", $"{verb} the bond (gas money of {MoneyWords.Ton(ProviderBondContract.GasValue)} TON, what is not used comes back)",
                [message(contract, query)], d => Lines(d, contract), cancellationToken);
        });
        return command;
    }

    private static Command BuildPublish()
    {
        WalletDesk desk = new();
        BondOptionSet bond = new();
        Argument<uint> sequence = new("sequence") { Description = "Above the present one" };
        Argument<string> digest = new("digest") { Description = "SHA-256 of the profile, hex" };
        Command command = new("publish", "Commit to a profile by its digest\n\nExample: cocoon bond publish 2 5f3a… --yes") { sequence, digest };
        bond.AddTo(command);
        desk.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            NetworkProfile profile = await desk.ProfileAsync(parse, readsOnly: false, cancellationToken);
            ProviderBondContract contract = bond.Read(parse, desk, profile);
            BondState state = StateOf(await WalletDesk.ReadAsync(profile, contract.Address, cancellationToken), contract.Address);
            if (parse.GetValue(sequence) <= state.MetaSeq)
            {
                throw new CliException(ExitCode.Payment, $"profile {parse.GetValue(sequence)} is not above the present one", $"the bond is at profile {state.MetaSeq}", $"Give {state.MetaSeq + 1L} or more.");
            }

            ulong query = ClientChannels.QueryId();
            return await desk.SendAsync(
                parse, $"bond-publish:{query}", $"publish profile {parse.GetValue(sequence)}",
                [contract.Publish(parse.GetValue(sequence), HexHash.Parse(parse.GetValue(digest)!), query)], d => Lines(d, contract), cancellationToken);
        });
        return command;
    }

    /// <exception cref="CliException">There is no bond.</exception>
    private static BondState StateOf(TonAccount account, TonAddress address) =>
        account is { IsActive: true, Data: { } data } && account.Code?.Hash == ProviderBondContract.CodeHash
            ? ProviderBondContract.ParseState(data)
            : throw new CliException(ExitCode.NotFound, $"there is no bond at {address.ToFriendly(bounceable: true)}", null, "Make one with 'cocoon bond stake AMOUNT'.");

    private static void CheckStake(ulong value, ulong held, ulong minimum)
    {
        if (value == 0)
        {
            throw new CliException(ExitCode.Usage, "0 TON is no stake", "an amount above zero is needed", "For example: cocoon bond stake 10");
        }

        if (held + value < minimum)
        {
            throw new CliException(
                ExitCode.Usage,
                $"a stake of {MoneyWords.Ton(held + value)} TON is below what the bond itself promises to hold",
                $"its minimum is {MoneyWords.Ton(minimum)} TON, and the stake would be locked for nothing",
                $"Stake {MoneyWords.Ton(minimum - held)} or more, or promise less with --min-stake, which then goes with every command about this bond.");
        }
    }

    private static CliException? Bonded(BondState state) =>
        state.Slashed ? new CliException(ExitCode.Payment, "the bond was slashed", null, "Take what is left: cocoon bond withdraw")
        : state.UnlockAt != 0 ? new CliException(ExitCode.Payment, "the bond is unbonding already", $"the stake can be withdrawn from {MoneyWords.Time(state.UnlockAt)}")
        : null;

    private static CliException? Unbonding(BondState state) =>
        state.Slashed ? new CliException(ExitCode.Payment, "the bond was slashed", null, "Take what is left: cocoon bond withdraw")
        : state.UnlockAt == 0 ? new CliException(ExitCode.Payment, "the bond is bonded", "there is nothing to take back")
        : null;

    private static CliException? Withdrawable(BondState state, long now) =>
        state.UnlockAt == 0 ? new CliException(ExitCode.Payment, "the bond is bonded", $"a stake can be withdrawn {Words.Age(state.Params.UnbondPeriod)} after unbonding has begun", "Begin with: cocoon bond unbond")
        : now < state.UnlockAt ? new CliException(
            ExitCode.Payment, "too early", $"the stake can be withdrawn from {MoneyWords.Time(state.UnlockAt)}, in {Words.Age(state.UnlockAt - now)} by the chain's clock")
        : null;

    private static IEnumerable<(string Label, string Value)> Lines(JsonObject d, ProviderBondContract contract) =>
    [
        ("BOND", contract.Address.ToFriendly(bounceable: true)),
        ("RESULT", $"{d["words"]}"),
        ("FEES", $"{Words.Ton(d["wallet_fees_nanoton"])} TON by the wallet"),
        ("TRANSACTION", $"{d["transaction"]}"),
    ];

    /// <summary>What a bond's address is made of: owner, peer key, and parameters that never change.</summary>
    private sealed class BondOptionSet
    {
        private readonly Option<string?> _registry = new("--registry") { Description = "Registry whose parameters the bond names (default: none)", HelpName = "ADDRESS" };
        private readonly Option<uint> _period = new Option<uint>("--unbond-period") { Description = "Seconds between unbond and withdraw; part of the bond's address", DefaultValueFactory = _ => RegistryDefaults.UnbondPeriod }.Within(0, NumberRange.Year);
        private readonly Option<TonAmount> _minimum = TonAmount.Option("--min-stake", "TON that the bond promises to hold; part of its address", RegistryDefaults.MinStake);

        public void AddTo(Command command)
        {
            command.Options.Add(_registry);
            command.Options.Add(_period);
            command.Options.Add(_minimum);
        }

        public ulong Minimum(ParseResult parse) => parse.GetValue(_minimum).Nanoton;

        /// <exception cref="CliException">No wallet or no peer key here.</exception>
        public ProviderBondContract Read(ParseResult parse, WalletDesk desk, NetworkProfile profile)
        {
            TonAddress registry = parse.GetValue(_registry) is { } text ? TypedAddress.Read(text) : new TonAddress(0, default);
            string path = Path.Combine(Path.GetFullPath(parse.GetValue(desk.Chain.Data)!), NodeIdentity.FileName);
            if (!File.Exists(path))
            {
                throw new CliException(ExitCode.NotFound, "there is no peer key here", $"{path} is missing; a bond is for one provider's peer id", "Start the provider once with 'cocoon up', or name its directory with --data.");
            }

            using Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(PrivateFile.Read(path, Ed25519PrivateKey.SeedSize));
            return new ProviderBondContract(
                desk.Address(parse), key.PublicKey, new BondParams(registry, parse.GetValue(_period), Minimum(parse), profile.GlobalId));
        }
    }
}
