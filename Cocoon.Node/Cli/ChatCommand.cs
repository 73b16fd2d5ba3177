using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;
using Cocoon.Node.Payments;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon chat</c>: one question, or a conversation, through the running light client.</summary>
internal static class ChatCommand
{
    public static Command Build()
    {
        Option<string> data = CommonOptions.Data();
        Option<OutputFormat> output = CommonOptions.Output();
        Option<string?> model = new("--model", "-m") { Description = "Model name or id (default: the first one on offer)" };
        Option<string?> system = new("--system") { Description = "System message" };
        Option<uint?> maxTokens = new Option<uint?>("--max-tokens") { Description = "Most tokens of the answer" }.Within(1, 1 << 22);
        Option<string?> shape = new("--shape") { Description = "steady (hides token timing), fast or batch (default: the client's)" };
        Option<bool> allowOpen = new("--allow-open") { Description = "Accept a provider without hardware protection for this question" };
        Option<decimal?> temperature = TypedNumber.Option("--temperature", "Sampling temperature (default: 0)").Within(0, 2);
        Argument<string?> prompt = new("prompt") { Description = "The question; without one, a conversation starts", Arity = ArgumentArity.ZeroOrOne };
        Command command = new("chat", "Ask a model\n\nExample: cocoon chat \"What is Cocoon?\"")
        {
            prompt, data, output, model, system, maxTokens, shape, allowOpen, temperature,
        };
        command.Run(async (parse, cancellationToken) =>
        {
            using ControlClient client = new(parse.GetValue(data)!);
            ChatConversation conversation = new(client, await ChooseModelAsync(client, parse.GetValue(model), cancellationToken))
            {
                MaxTokens = parse.GetValue(maxTokens),
                Shape = parse.GetValue(shape),
                AllowOpen = parse.GetValue(allowOpen),
                Temperature = (double?)parse.GetValue(temperature),
            };
            if (parse.GetValue(system) is { } instruction)
            {
                conversation.Add("system", instruction);
            }

            OutputFormat format = parse.GetValue(output);
            try
            {
                if (parse.GetValue(prompt) is not { } question)
                {
                    return await ConverseAsync(client, conversation, cancellationToken);
                }

                ChatResult result = await AskAsync(client, conversation, question, format == OutputFormat.Table ? Console.Out : null, cancellationToken);
                await PrintAsync(result, format);
                return ExitCode.Ok;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                await Console.Error.WriteLineAsync();
                await Console.Error.WriteLineAsync("interrupted");
                return ExitCode.Interrupted;
            }
        });
        return command;
    }

    private static async Task<int> ConverseAsync(ControlClient client, ChatConversation conversation, CancellationToken cancellationToken)
    {
        await Console.Error.WriteLineAsync($"talking to {conversation.Model}; an empty line or Ctrl-D ends");
        while (true)
        {
            await Console.Error.WriteAsync("> ");
            string? question = await Prompt.ReadLineAsync(cancellationToken);
            if (string.IsNullOrWhiteSpace(question))
            {
                return ExitCode.Ok;
            }

            ChatResult result = await AskAsync(client, conversation, question, Console.Out, cancellationToken);
            await PrintAsync(result, OutputFormat.Table);
        }
    }

    private static async Task<ChatResult> AskAsync(ControlClient client, ChatConversation conversation, string question, TextWriter? live, CancellationToken cancellationToken)
    {
        SpentSince? cost = null;
        try
        {
            cost = await SpentSince.BeginAsync(client, cancellationToken);
            return await conversation.AskAsync(question, live, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await Console.Error.WriteLineAsync();
            throw new CliException(
                ExitCode.Interrupted, "interrupted",
                cost is not null && await cost.ReadAsync() is { } spent
                    ? $"what was answered until then is paid: this client has spent {MoneyWords.Ton((ulong)Math.Max(0, spent))} TON since the question"
                    : "what was answered until then is paid: 'cocoon channels' shows what was spent");
        }
    }

    private static async Task PrintAsync(ChatResult result, OutputFormat format)
    {
        if (format != OutputFormat.Table)
        {
            RowWriter.WriteObject(result.ToJson(), format, _ => [], Console.Out);
            return;
        }

        await Console.Out.WriteLineAsync();
        JsonObject? cocoon = result.Cocoon;
        await Console.Error.WriteLineAsync(
            $"{result.Usage?["prompt_tokens"]} in · {result.Usage?["completion_tokens"]} out · TTFT {result.TimeToFirstToken.TotalMilliseconds:0} ms · " +
            $"{result.TokensPerSecond:0.0} tok/s · tier {cocoon?["tier"]} ({cocoon?["evidence_kind"]}) · {Words.Short(cocoon?["provider"])}{Relays(cocoon)} · " +
            $"cost {cocoon?["cost_nanoton"]} nanoTON · receipt {cocoon?["receipt"] ?? "-"}");
    }

    private static string Relays(JsonObject? cocoon) => cocoon?["relays"] is JsonArray { Count: > 0 } relays
        ? $" over {relays.Count} {(relays.Count == 1 ? "relay" : "relays")}"
        : "";

    private static async Task<string> ChooseModelAsync(ControlClient client, string? wanted, CancellationToken cancellationToken)
    {
        if (wanted is not null)
        {
            return wanted;
        }

        JsonObject models = await client.GetAsync("/v1/models", cancellationToken);
        return models["data"]?.AsArray().FirstOrDefault()?["id"]?.GetValue<string>()
            ?? throw new CliException(ExitCode.NotFound, "no model is on offer", "this node knows no offer that holds now", "Wait a few seconds, or see 'cocoon peers' and 'cocoon offers'.");
    }
}
