using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;
using Cocoon.Node.Models;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon gpu</c>: what inference runs on here, as ggml and NVIDIA's driver see it, and what a running provider makes of it.</summary>
internal static class GpuCommand
{
    private static readonly Column[] Columns =
    [
        new("device", "DEVICE") { IsKey = true },
        new("name", "NAME"),
        new("backend", "BACKEND"),
        new("kind", "KIND"),
        new("memory_total", "MEMORY", r => Words.Bytes(r["memory_total"]), IsRight: true),
        new("memory_free", "FREE", r => Words.Bytes(r["memory_free"]), IsRight: true) { IsVolatile = true },
        new("utilisation_percent", "UTIL", r => Words.Number(r["utilisation_percent"], "0", "%"), IsRight: true) { IsVolatile = true },
        new("temperature_celsius", "TEMP", r => Words.Number(r["temperature_celsius"], "0", " °C"), IsRight: true) { IsVolatile = true },
        new("power_watts", "POWER", r => Words.Number(r["power_watts"], "0", " W"), IsRight: true) { IsVolatile = true },
        new("power_limit_watts", "CAP", r => Words.Number(r["power_limit_watts"], "0", " W"), IsRight: true),
        new("confidential_computing", "CC"),
        new("compute_capability", "COMPUTE", IsHidden: true),
        new("pci_id", "PCI", IsHidden: true),
        new("uuid", "UUID", IsHidden: true),
    ];

    public static Command Build()
    {
        Option<string> data = CommonOptions.Data();
        RowOptionSet rows = new();
        Command command = new("gpu", "What inference runs on here, and why on nothing faster\n\nExample: cocoon gpu -o csv --columns device,memory_free,power_watts") { data };
        rows.AddTo(command);
        command.Run((parse, cancellationToken) =>
        {
            string directory = parse.GetValue(data)!;
            return rows.IsWatched(parse)
                ? rows.PrintAsync(parse, t => FetchAsync(directory, t), "devices", Columns, null, cancellationToken)
                : PrintAsync(directory, rows.Read(parse), cancellationToken);
        });
        return command;
    }

    private static async Task<int> PrintAsync(string directory, RowOptions options, CancellationToken cancellationToken)
    {
        JsonObject document = await FetchAsync(directory, cancellationToken);
        RowWriter.Write(document, "devices", Columns, options, Console.Out);
        if (options is { Format: OutputFormat.Table, IsQuiet: false })
        {
            foreach (string line in Notes(document))
            {
                await Console.Error.WriteLineAsync(Words.OneLine(line));
            }
        }

        return document["engine"] is null ? ExitCode.CheckFailed : ExitCode.Ok;
    }

    private static async Task<JsonObject> FetchAsync(string directory, CancellationToken cancellationToken)
    {
        JsonObject document;
        try
        {
            document = await MachineDevices.ReadAsync(cancellationToken);
        }
        catch (ModelException exception)
        {
            throw ModelFailures.ToCli(exception);
        }

        document["schema"] = ControlJson.Schema;
        document["serving"] = await ServingAsync(directory, cancellationToken);
        return document;
    }

    /// <summary>What the provider in this data directory serves; <c>null</c> when none runs.</summary>
    private static async Task<JsonObject?> ServingAsync(string directory, CancellationToken cancellationToken)
    {
        if (!File.Exists(ControlSocket.PathIn(Path.GetFullPath(directory))))
        {
            return null;
        }

        JsonObject status;
        try
        {
            using ControlClient client = new(directory);
            status = await client.GetAsync("/control/status", cancellationToken);
        }
        catch (Exception exception) when (exception is CliException or ControlException)
        {
            // A socket that a node left behind: nobody serves.
            return null;
        }

        JsonObject[] engines = [.. status["engines"]!.AsArray().OfType<JsonObject>()];
        if (engines.Length == 0)
        {
            return null;
        }

        double hours = Math.Max((double)status["uptime_seconds"]!, 1) / 3600;
        decimal earned = decimal.Parse(status["served"]!["earned_nanoton"]!.ToString(), CultureInfo.InvariantCulture);
        return new JsonObject
        {
            ["models"] = new JsonArray(
            [
                .. engines.Select(engine => new JsonObject
                {
                    ["model"] = engine["model"]?.DeepClone(),
                    ["state"] = engine["status"]?.DeepClone(),
                    ["slots"] = engine["slots_total"]?.DeepClone(),
                    ["slots_busy"] = engine["slots_busy"]?.DeepClone(),
                    ["tokens_per_second"] = engine["tokens_per_second"]?.DeepClone(),
                }),
            ]),
            ["earned_nanoton_per_hour"] = ((decimal)((double)earned / hours)).ToString("0", CultureInfo.InvariantCulture),
        };
    }

    private static IEnumerable<string> Notes(JsonObject document)
    {
        yield return document["engine"] is { } engine ? $"{engine}, libraries for {document["built_for"]} in {document["libraries"]}" : "no llama.cpp libraries";
        yield return $"NVML: {document["nvml"]}";
        foreach (JsonNode? note in document["notes"]!.AsArray())
        {
            yield return note!.ToString();
        }

        if (document["serving"] is JsonObject serving)
        {
            foreach (JsonObject model in serving["models"]!.AsArray().OfType<JsonObject>())
            {
                yield return $"serving {model["model"]}: {model["slots_busy"]} of {model["slots"]} slots busy, {Words.Number(model["tokens_per_second"])} tokens/s";
            }

            yield return $"earned {Words.Ton(serving["earned_nanoton_per_hour"])} TON an hour";
        }
    }
}
