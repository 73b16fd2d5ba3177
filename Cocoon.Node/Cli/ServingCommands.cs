using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon pause</c>, <c>resume</c>, <c>drain</c> and <c>price</c>: a provider's owner at the switch.</summary>
internal static class ServingCommands
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(500);

    public static Command BuildPause() => Switch("pause", "Take no new work; running answers go on, offers are withdrawn");

    public static Command BuildResume() => Switch("resume", "Take work again");

    public static Command BuildDrain()
    {
        Option<string> data = CommonOptions.Data();
        Option<int> timeout = new Option<int>("--timeout") { Description = "Seconds to wait for running answers (0: for ever)", DefaultValueFactory = _ => 0 }.Within(0, 7 * 86_400);
        Option<bool> stop = new("--stop") { Description = "Then stop the node" };
        Command command = new("drain", "Take no new work and wait until nothing runs\n\nExample: cocoon drain --stop") { data, timeout, stop };
        command.Run(async (parse, cancellationToken) =>
        {
            using ControlClient client = new(parse.GetValue(data)!);
            JsonObject document = await client.PostAsync("/control/serving/pause", [], cancellationToken);
            using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            if (parse.GetValue(timeout) is > 0 and var seconds)
            {
                limit.CancelAfter(TimeSpan.FromSeconds(seconds));
            }

            try
            {
                while ((uint)document["running"]! > 0)
                {
                    await Task.Delay(Poll, limit.Token);
                    document = await client.GetAsync("/control/serving", limit.Token);
                }
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new CliException(ExitCode.TimedOut, "answers still run", $"{document["running"]} after {parse.GetValue(timeout)} s", "Wait longer, or stop the node: they are given 20 s then.");
            }

            await Console.Error.WriteLineAsync("drained: nothing runs, nothing new is taken");
            if (parse.GetValue(stop))
            {
                await client.PostAsync("/control/stop", [], cancellationToken);
            }

            return ExitCode.Ok;
        });
        return command;
    }

    public static Command BuildPrice()
    {
        Option<string> data = CommonOptions.Data();
        Option<OutputFormat> output = CommonOptions.Output();
        Command set = new("set", "Change prices of the running node\n\nExample: cocoon price set --out 0.18");
        Option<string?> model = new("--model", "-m") { Description = "Which model, when the node serves several", HelpName = "MODEL" };
        Option<TonAmount?> prompt = TonAmount.Option("--in", "TON per 1,000,000 prompt tokens");
        Option<TonAmount?> cached = TonAmount.Option("--cached", "TON per 1,000,000 cached prompt tokens");
        Option<TonAmount?> completion = TonAmount.Option("--out", "TON per 1,000,000 completion tokens");
        Option<string> setData = CommonOptions.Data();
        Option<OutputFormat> setOutput = CommonOptions.Output();
        foreach (Option option in (Option[])[model, prompt, cached, completion, setData, setOutput])
        {
            set.Options.Add(option);
        }

        set.Run(async (parse, cancellationToken) =>
        {
            JsonObject request = new()
            {
                ["prompt_nanoton"] = Nanoton(parse.GetValue(prompt)), ["cached_nanoton"] = Nanoton(parse.GetValue(cached)), ["completion_nanoton"] = Nanoton(parse.GetValue(completion)), ["model"] = parse.GetValue(model),
            };
            using ControlClient client = new(parse.GetValue(setData)!);
            Print(await client.PostAsync("/control/prices", request, cancellationToken), parse.GetValue(setOutput));
            return ExitCode.Ok;
        });
        Command command = new("price", "Prices of the running provider\n\nExample: cocoon price") { data, output, set };
        command.Run(async (parse, cancellationToken) =>
        {
            using ControlClient client = new(parse.GetValue(data)!);
            Print(await client.GetAsync("/control/serving", cancellationToken), parse.GetValue(output));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Switch(string verb, string description)
    {
        Option<string> data = CommonOptions.Data();
        Option<OutputFormat> output = CommonOptions.Output();
        Command command = new(verb, description) { data, output };
        command.Run(async (parse, cancellationToken) =>
        {
            using ControlClient client = new(parse.GetValue(data)!);
            JsonObject state = await client.PostAsync("/control/serving/" + verb, [], cancellationToken);
            Print(state, parse.GetValue(output));
            return verb == "resume" && !(bool)state["open"]!
                ? throw new CliException(ExitCode.CheckFailed, "no work is taken yet", $"the node is {state["state"]}", "What was paused by hand is over; the rest ends by itself, or with other options of 'cocoon up'.")
                : ExitCode.Ok;
        });
        return command;
    }

    private static void Print(JsonObject document, OutputFormat format) => RowWriter.WriteObject(document, format, Lines, Console.Out);

    private static IEnumerable<(string Label, string Value)> Lines(JsonObject d)
    {
        yield return ("SERVING", $"{d["state"]}  {d["running"]} running  {d["sessions"]} sessions open");
        foreach (JsonObject model in d["models"]!.AsArray().OfType<JsonObject>())
        {
            yield return ("MODEL", $"{Words.Printable(model["name"]?.ToString() ?? "-")}  {model["status"]}  {model["running"]}/{model["slots"]} slots busy");
            yield return ("PRICE", $"in {Price(model, "prices", "prompt")}  cached {Price(model, "prices", "cached")}  out {Price(model, "prices", "completion")}  TON per 1,000,000 tokens");
            if ((bool)model["auto_price"]!)
            {
                yield return ("AUTO", $"{Words.Number(model["factor"], "0.00")} × the floor of in {Price(model, "floor", "prompt")}  out {Price(model, "floor", "completion")}");
            }
        }
    }

    private static string Price(JsonObject model, string set, string which) => Words.Ton(model[set]![which + "_nanoton"]);

    private static string? Nanoton(TonAmount? price) => price?.ToPrice().ToString(CultureInfo.InvariantCulture);
}
