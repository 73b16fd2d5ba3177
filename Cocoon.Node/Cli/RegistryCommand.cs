using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;
using Cocoon.Node.Payments;
using Cocoon.Node.Registry;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon registry</c>: the policy contract. Reading is for everybody, applying too; proposing and revoking is its admin's.</summary>
internal static class RegistryCommand
{
    /// <param name="now">Chain time of the reading.</param>
    private static Column[] ListColumns(long now) =>
    [
        new("list", "LIST"),
        new("key", "KEY"),
        new("state", "STATE"),
        new("since", "TIME", r => Words.UnixTime(r["since"], now)),
        new("flags", "FLAGS", IsHidden: true),
        new("meta", "META", r => Words.Short(r["meta"])),
        new("detail", "DETAIL"),
    ];

    public static Command Build() => new("registry", "The registry contract: bootstrap list, parameters, lists of measurements and models, changes that wait")
    {
        BuildShow(),
        BuildList(),
        BuildDeploy(),
        BuildPropose(),
        BuildById("apply", "Put a change in force whose time lock has passed; anybody may", (registry, id, query) => registry.Apply(id, query), byAdmin: false),
        BuildById("cancel", "Take a proposed change back (admin)", (registry, id, query) => registry.Cancel(id, query), byAdmin: true),
        BuildRevoke(),
    };

    private static Command BuildShow()
    {
        WalletDesk desk = new();
        Argument<string> address = Address(isOptional: true);
        Command command = new("show", "What a registry says now\n\nExample: cocoon registry show EQ…") { address };
        desk.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            (TonAddress registry, RegistryState state, _) = await ReadAsync(parse, desk, address, cancellationToken);
            JsonObject document = new()
            {
                ["schema"] = ControlJson.Schema,
                ["address"] = registry.ToFriendly(bounceable: true),
                ["admin"] = state.Admin.ToFriendly(bounceable: false),
                ["version"] = state.Version,
                ["time_lock_seconds"] = state.TimeLock,
                ["bootstrap"] = new JsonArray([.. state.Bootstrap.Select(b => JsonValue.Create(b))]),
                ["min_challenge_seconds"] = state.Params.MinChallenge,
                ["min_stake_nanoton"] = ControlJson.Nanoton(state.Params.MinStake),
                ["measurements"] = state.Measurements.Count(m => !m.Value.IsRevoked),
                ["models"] = state.Models.Count(m => !m.Value.IsRevoked),
                ["revoked"] = state.Measurements.Concat(state.Models).Count(e => e.Value.IsRevoked),
                ["pending"] = state.Pending.Count,
            };
            RowWriter.WriteObject(document, parse.GetValue(desk.Chain.Output), d => d.Where(e => e.Key != "schema").Select(e => (e.Key, e.Value is JsonArray list ? string.Join("  ", list.Select(i => $"{i}")) : e.Value!.ToString())), Console.Out);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command BuildList()
    {
        WalletDesk desk = new();
        Argument<string> address = Address(isOptional: true);
        RowOptionSet rows = new();
        Command command = new("list", "Everything in a registry's lists, and the changes that wait\n\nExample: cocoon registry list EQ… --filter list=model") { address };
        rows.AddTo(command);
        desk.AddReadingTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            (_, RegistryState state, long now) = await ReadAsync(parse, desk, address, cancellationToken);
            JsonObject document = new()
            {
                ["schema"] = ControlJson.Schema,
                ["entries"] = new JsonArray(
                [
                    .. state.Measurements.Select(e => Entry("measurement", e.Key, e.Value)),
                    .. state.Models.Select(e => Entry("model", e.Key, e.Value)),
                    .. state.Pending.OrderBy(e => e.Key).Select(e => Pending(e.Key, e.Value)),
                    .. state.Bootstrap.Select(b => new JsonObject { ["list"] = "bootstrap", ["key"] = b, ["state"] = "listed" }),
                ]),
            };
            RowWriter.Write(document, "entries", ListColumns(now), rows.Read(parse), Console.Out);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command BuildDeploy()
    {
        WalletDesk desk = new();
        Option<string[]> bootstrap = new("--bootstrap") { Description = "Bootstrap multiaddr to list; may be repeated", DefaultValueFactory = _ => [] };
        Option<uint> timeLock = new Option<uint>("--time-lock") { Description = "Seconds that additions wait in public; never changes", DefaultValueFactory = _ => RegistryDefaults.TimeLock }.Within(0, NumberRange.Year);
        Command command = new("deploy", "Put a registry on a chain; this wallet becomes its admin\n\nExample: cocoon registry deploy --bootstrap /ip4/… --yes") { bootstrap, timeLock };
        desk.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            NetworkProfile profile = await desk.ProfileAsync(parse, readsOnly: false, cancellationToken);
            RegistryContract registry = RegistryContract.Create(desk.Address(parse), parse.GetValue(timeLock), RegistryDefaults.Params, parse.GetValue(bootstrap)!);
            TonAccount account = await WalletDesk.ReadAsync(profile, registry.Address, cancellationToken);
            IEnumerable<(string Label, string Value)> Lines(JsonObject d) => [("REGISTRY", d["address"]!.ToString())];
            JsonObject where = new() { ["schema"] = ControlJson.Schema, ["address"] = registry.Address.ToFriendly(bounceable: true), ["raw_address"] = registry.Address.ToString() };
            if (account.IsActive)
            {
                desk.Chain.Print(parse, where, Lines);
                return ExitCode.Ok;
            }

            return await desk.SendAsync(
                parse, $"registry:{registry.Address}", $"deploy a registry: {MoneyWords.Ton(RegistryDefaults.DeployValue)} TON stay in it for rent",
                [registry.Deploy(RegistryDefaults.DeployValue)], Lines, cancellationToken, result: where);
        });
        return command;
    }

    private static Command BuildPropose()
    {
        WalletDesk desk = new();
        Argument<string> address = Address();
        Argument<string> what = new("change")
        {
            Description = "put-measurement HASH [FLAGS META] · del-measurement HASH · put-model HASH [FLAGS META] · del-model HASH · admin ADDRESS · bootstrap MULTIADDR… · min-stake TON · min-challenge SECONDS",
        };
        Argument<string[]> values = new("values") { Description = "What the change takes", Arity = ArgumentArity.ZeroOrMore };
        Command command = new("propose", "Propose a change (admin); anybody may apply it after the time lock\n\nExample: cocoon registry propose EQ… put-model 5f3a… --yes") { address, what, values };
        desk.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            (TonAddress registry, RegistryState state, _) = await ReadAsync(parse, desk, address, cancellationToken);
            RequireAdmin(parse, desk, state);
            RegistryChange change = ReadChange(parse.GetValue(what)!, parse.GetValue(values) ?? [], state);
            ulong query = ClientChannels.QueryId();
            return await desk.SendAsync(
                parse, $"registry-propose:{query}", $"propose {parse.GetValue(what)} as change {state.NextId}; it can be applied after {state.TimeLock} s",
                [new RegistryContract(registry).Propose(change, query)], d => [("CHANGE", $"{state.NextId}"), .. Outcome(d)], cancellationToken);
        });
        return command;
    }

    private static Command BuildById(string verb, string description, Func<RegistryContract, uint, ulong, InternalMessage> message, bool byAdmin)
    {
        WalletDesk desk = new();
        Argument<string> address = Address();
        Argument<uint> id = new("id") { Description = "Number of the change, see 'cocoon registry list'" };
        Command command = new(verb, $"{description}\n\nExample: cocoon registry {verb} EQ… 3 --yes") { address, id };
        desk.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            (TonAddress registry, RegistryState state, long now) = await ReadAsync(parse, desk, address, cancellationToken);
            uint wanted = parse.GetValue(id);
            if (!state.Pending.TryGetValue(wanted, out RegistryProposal? proposal))
            {
                throw new CliException(ExitCode.NotFound, $"no change {wanted} waits in this registry", null, "See 'cocoon registry list'.");
            }

            if (byAdmin)
            {
                RequireAdmin(parse, desk, state);
            }
            else
            {
                RequireDue(proposal, now);
            }

            ulong query = ClientChannels.QueryId();
            return await desk.SendAsync(
                parse, $"registry-{verb}:{query}", $"{verb} change {wanted} (in force from {MoneyWords.Time(proposal.Eta)} at the earliest)",
                [message(new RegistryContract(registry), wanted, query)], Outcome, cancellationToken);
        });
        return command;
    }

    private static Command BuildRevoke()
    {
        WalletDesk desk = new();
        Argument<string> address = Address();
        Argument<string> list = new("list") { Description = "measurement or model" };
        Argument<string> hash = new("hash") { Description = "SHA-256, hex" };
        Command command = new("revoke", "Forbid a measurement or model at once (admin); also one that is not listed\n\nExample: cocoon registry revoke EQ… model 5f3a… --yes") { address, list, hash };
        desk.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            bool model = parse.GetValue(list) switch
            {
                "model" => true,
                "measurement" => false,
                var other => throw new CliException(ExitCode.Usage, $"there is no list '{other}'", null, "Use measurement or model."),
            };
            (TonAddress registry, RegistryState state, _) = await ReadAsync(parse, desk, address, cancellationToken);
            RequireAdmin(parse, desk, state);
            ulong query = ClientChannels.QueryId();
            return await desk.SendAsync(
                parse, $"registry-revoke:{query}", $"revoke {parse.GetValue(list)} {parse.GetValue(hash)}: in force at once, undone only by a time-locked deletion",
                [new RegistryContract(registry).Revoke(model, HexHash.Parse(parse.GetValue(hash)!), query)], Outcome, cancellationToken);
        });
        return command;
    }

    private static RegistryChange ReadChange(string what, string[] values, RegistryState state)
    {
        CellHash Hash() => values.Length >= 1 ? HexHash.Parse(values[0]) : throw new CliException(ExitCode.Usage, $"'{what}' takes a digest");
        ushort Flags() => values.Length < 2 ? (ushort)0
            : ushort.TryParse(values[1], NumberStyles.None, CultureInfo.InvariantCulture, out ushort flags) && (flags & RegistryInfo.RevokedFlag) == 0 ? flags
            : throw new CliException(ExitCode.Usage, $"'{values[1]}' are no flags", "0 to 32767 is allowed; only revoke writes tombstones");
        CellHash Meta() => values.Length < 3 ? default : HexHash.Parse(values[2]);
        return what switch
        {
            "put-measurement" => new RegistryChange.PutMeasurement(Hash(), Flags(), Meta()),
            "del-measurement" => new RegistryChange.DeleteMeasurement(Hash()),
            "put-model" => new RegistryChange.PutModel(Hash(), Flags(), Meta()),
            "del-model" => new RegistryChange.DeleteModel(Hash()),
            "admin" => values.Length == 1
                ? new RegistryChange.SetAdmin(TypedAddress.Read(values[0]))
                : throw new CliException(ExitCode.Usage, "'admin' takes one address"),
            "bootstrap" => values.Length <= RegistryState.MaxBootstrapAddresses
                ? new RegistryChange.SetBootstrap(values)
                : throw new CliException(ExitCode.Usage, $"at most {RegistryState.MaxBootstrapAddresses} addresses can be listed"),
            "min-stake" => values.Length != 1 ? throw new CliException(ExitCode.Usage, "'min-stake' takes an amount of TON")
                : TonAmount.TryParse(values[0], out TonAmount stake, out string why) ? new RegistryChange.SetParams(state.Params with { MinStake = stake.Nanoton })
                : throw new CliException(ExitCode.Usage, $"'{values[0]}' is no amount of TON", why),
            "min-challenge" => values.Length == 1 && uint.TryParse(values[0], NumberStyles.None, CultureInfo.InvariantCulture, out uint challenge)
                ? new RegistryChange.SetParams(state.Params with { MinChallenge = challenge })
                : throw new CliException(ExitCode.Usage, "'min-challenge' takes seconds"),
            _ => throw new CliException(ExitCode.Usage, $"there is no change '{what}'", null, "See 'cocoon registry propose --help'."),
        };
    }

    private static void RequireAdmin(ParseResult parse, WalletDesk desk, RegistryState state)
    {
        if (desk.Address(parse) != state.Admin)
        {
            throw new CliException(
                ExitCode.Payment, "this wallet is not the registry's admin", $"the admin is {state.Admin.ToFriendly(bounceable: false)}", "Name the admin's data directory with --data.");
        }
    }

    /// <summary>The contract would refuse it, for a fee.</summary>
    private static void RequireDue(RegistryProposal proposal, long now)
    {
        if (now < proposal.Eta)
        {
            throw new CliException(
                ExitCode.Payment, "too early", $"the change can be applied from {MoneyWords.Time(proposal.Eta)}, in {Words.Age(proposal.Eta - now)} by the chain's clock: its time lock has not passed");
        }

        if (now > proposal.Eta + RegistryProposal.ApplyWindow)
        {
            throw new CliException(ExitCode.Payment, "too late", $"the change could be applied until {MoneyWords.Time(proposal.Eta + RegistryProposal.ApplyWindow)}", "Its admin has to propose it again.");
        }
    }

    private static async Task<(TonAddress Registry, RegistryState State, long Now)> ReadAsync(
        ParseResult parse, WalletDesk desk, Argument<string> address, CancellationToken cancellationToken)
    {
        string named = parse.GetValue(address) ?? await desk.RegistryAsync(parse, cancellationToken) ?? throw new CliException(
            ExitCode.Usage, "which registry?", "no node that follows one runs here", "Give its address.");
        TonAddress registry = TypedAddress.Read(named);
        TonAccount account = await WalletDesk.ReadAsync(await desk.ProfileAsync(parse, readsOnly: true, cancellationToken), registry, cancellationToken);
        return account.Data is { } data && account.Code?.Hash == RegistryContract.CodeHash
            ? (registry, RegistryContract.ParseState(data), account.SyncTime)
            : throw new CliException(ExitCode.NotFound, "there is no registry of this version at that address");
    }

    private static JsonObject Entry(string list, CellHash key, RegistryInfo info) => new()
    {
        ["list"] = list,
        ["key"] = key.ToString(),
        ["state"] = info.IsRevoked ? "revoked" : "listed",
        ["since"] = info.AddedAt,
        ["flags"] = info.Flags,
        ["meta"] = info.MetaHash == default ? null : info.MetaHash.ToString(),
    };

    private static JsonObject Pending(uint id, RegistryProposal proposal)
    {
        string[] kinds = ["put measurement", "delete measurement", "put model", "delete model", "parameters", "contract codes", "admin", "bootstrap list"];
        CellSlice change = proposal.Change.BeginParse();
        int kind = (int)change.LoadUInt(8);
        return new JsonObject
        {
            ["list"] = "pending",
            ["key"] = id.ToString(CultureInfo.InvariantCulture),
            ["state"] = "waits",
            ["since"] = proposal.Eta,
            ["detail"] = (kind >= 1 && kind <= kinds.Length ? kinds[kind - 1] : $"change of kind {kind}") + (kind is >= 1 and <= 4 ? $" {change.LoadHash()}" : ""),
        };
    }

    private static IEnumerable<(string Label, string Value)> Outcome(JsonObject d) =>
        [("RESULT", $"{d["words"]}"), ("FEES", $"{Words.Ton(d["wallet_fees_nanoton"])} TON by the wallet"), ("TRANSACTION", $"{d["transaction"]}")];

    private static Argument<string> Address(bool isOptional = false) => isOptional
        ? new("address") { Description = "The registry's address (default: the one that the node here follows)", Arity = ArgumentArity.ZeroOrOne }
        : new("address") { Description = "The registry's address" };
}
