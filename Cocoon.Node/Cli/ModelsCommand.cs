using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;
using Cocoon.Node.Hosting;
using Cocoon.Node.Models;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon models</c>: the store of model files that <c>up</c> serves from.</summary>
internal static class ModelsCommand
{
    private static readonly Column[] Columns =
    [
        new("name", "NAME"),
        new("architecture", "ARCH"),
        new("quantisation", "QUANT"),
        new("parameters", "PARAMS", r => Count(r["parameters"]), IsRight: true),
        new("size", "SIZE", r => Sizes.Words((long)r["size"]!), IsRight: true),
        new("context_length", "CTX", IsRight: true),
        new("model_id", "MODEL ID", r => Words.Short(r["model_id"])),
        new("files", "FILES", IsRight: true, IsHidden: true),
        new("source", "SOURCE"),
        new("age_seconds", "ADDED", r => Words.Age(r["age_seconds"]), IsRight: true),
    ];

    private static readonly Column[] CheckColumns =
    [
        new("name", "NAME") { IsKey = true },
        new("state", "STATE"),
        new("damaged", "DAMAGED", r => string.Join(", ", r["damaged"]!.AsArray().Select(f => Words.Printable(f!.ToString()))) is { Length: > 0 } files ? files : "-"),
        new("model_id", "MODEL ID", r => Words.Short(r["model_id"])),
    ];

    public static Command Build()
    {
        Command command = new("models", "Model files on this machine\n\nExample: cocoon models pull Qwen/Qwen3-8B-GGUF:Q4_K_M") { BuildList(), BuildAdd(), BuildPull(), BuildShow(), BuildRemove(), BuildVerify() };
        RowOptionSet rows = new();
        rows.AddTo(command);
        command.Run((parse, cancellationToken) => ListAsync(parse, rows, cancellationToken));
        return command;
    }

    private static Command BuildList()
    {
        RowOptionSet rows = new();
        Command command = new("list", "What is stored");
        rows.AddTo(command);
        command.Run((parse, cancellationToken) => ListAsync(parse, rows, cancellationToken));
        return command;
    }

    private static Task<int> ListAsync(ParseResult parse, RowOptionSet rows, CancellationToken cancellationToken) => rows.PrintAsync(
        parse, _ => Task.FromResult(Document(new ModelStore().List().Select(Row))), "models", Columns, footnote: null, cancellationToken);

    private static JsonObject Document(IEnumerable<JsonObject> rows) => new() { ["schema"] = ControlJson.Schema, ["models"] = new JsonArray([.. rows]) };

    private static Command BuildAdd()
    {
        Argument<string> file = new("file") { Description = "GGUF file, the first of them when the model is split" };
        Option<string?> name = NameOption();
        Command command = new("add", "Copy a file into the store\n\nExample: cocoon models add ./qwen3-8b-q4_k_m.gguf") { file, name };
        command.RunModels(async (parse, cancellationToken) =>
        {
            string path = Path.GetFullPath(parse.GetValue(file)!);
            ModelFacts facts = await ModelInspector.InspectAsync(path, hash: true, cancellationToken);
            StoredModel model = await new ModelStore().AddAsync(
                Chosen(parse.GetValue(name), path), path, Path.GetDirectoryName(path)!, facts, move: false, TimeProvider.System.GetUtcNow(), cancellationToken);
            await AnnounceAsync(model);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command BuildPull()
    {
        Argument<string> from = new("source") { Description = "OWNER/REPOSITORY[:QUANT|:FILE.gguf] on Hugging Face, or the URL of a GGUF file" };
        Option<string?> name = NameOption();
        Option<string?> sha256 = new("--sha256") { Description = "Refuse a file with another digest", HelpName = "HEX" };
        Option<int> connections = new Option<int>("--connections") { Description = "Parallel ranges", DefaultValueFactory = _ => 4 }.Within(1, 16);
        Command command = new("pull", "Download a model: resumes, checks digests\n\nExample: cocoon models pull Qwen/Qwen3-8B-GGUF:Q4_K_M") { from, name, sha256, connections };
        command.RunModels(async (parse, cancellationToken) =>
        {
            if (!ModelSource.TryParse(parse.GetValue(from)!, out ModelSource? source))
            {
                throw new ModelException(
                    ModelErrorCode.BadSource, $"'{parse.GetValue(from)}' is no source", "a repository OWNER/NAME or an https URL is expected", "For example: cocoon models pull Qwen/Qwen3-8B-GGUF:Q4_K_M");
            }

            string? digest = parse.GetValue(sha256)?.ToLowerInvariant();
            if (digest is not null && (digest.Length != 64 || !digest.All(char.IsAsciiHexDigit)))
            {
                throw new CliException(ExitCode.Usage, "the digest is malformed", "a SHA-256 has 64 hexadecimal digits");
            }

            using HttpClient http = new() { Timeout = Timeout.InfiniteTimeSpan };
            http.DefaultRequestHeaders.UserAgent.ParseAdd("cocoon/0.1");
            StoredModel model;
            await using (DownloadProgressLine progress = new(Console.Error, TimeProvider.System))
            {
                model = await PullAsync(
                    new ModelPuller(http, new ModelStore(), TimeProvider.System), source, parse.GetValue(name) is { } chosen ? Chosen(chosen, "") : null, digest,
                    parse.GetValue(connections), progress, cancellationToken);
            }

            await AnnounceAsync(model);
            return ExitCode.Ok;
        });
        return command;
    }

    /// <exception cref="CliException">Interrupted.</exception>
    private static async Task<StoredModel> PullAsync(
        ModelPuller puller, ModelSource source, string? name, string? sha256, int connections, DownloadProgressLine progress, CancellationToken cancellationToken)
    {
        try
        {
            return await puller.PullAsync(source, name, sha256, connections, progress.Report, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await progress.DisposeAsync();
            throw new CliException(ExitCode.Interrupted, "the download was interrupted", "what has arrived is kept", "The same command goes on from there.");
        }
    }

    private static Command BuildShow()
    {
        Argument<string> model = new("model") { Description = "Name in the store, or a file" };
        Option<int> slots = new Option<int>("--slots") { Description = "Requests answered at a time", DefaultValueFactory = _ => 4 }.Within(1, MemoryFit.MaxSlots);
        Option<int> context = ModelOptionSet.Context("Tokens per request", 0);
        Option<OutputFormat> output = CommonOptions.Output();
        Command command = new("show", "What a model is, and whether it fits here\n\nExample: cocoon models show qwen3-8b --slots 4 --context 8192") { model, slots, context, output };
        command.RunModels(async (parse, cancellationToken) =>
        {
            string text = parse.GetValue(model)!;
            StoredModel? stored = new ModelStore().Find(text);
            ModelFacts facts = stored?.Facts ?? await ModelInspector.InspectAsync(ModelFinder.Resolve(text), hash: false, cancellationToken);
            MemoryFit fit = MemoryFit.Of(facts, parse.GetValue(slots), parse.GetValue(context));
            long available = SystemMemory.Available();
            IReadOnlyList<GpuDevice> gpus = MachineDevices.MayHaveGpu ? MachineDevices.Gpus(await MachineDevices.ReadAsync(cancellationToken)) : [];
            (bool fits, ModelPlacement? placement) = Place(facts, fit, gpus, available);
            JsonObject document = JsonSerializer.SerializeToNode(facts, ModelJson.Options)!.AsObject();
            document["schema"] = ControlJson.Schema;
            document["title"] = facts.Name;
            document["name"] = stored?.Name ?? facts.Name;
            document["stored_as"] = stored?.Name;
            document["model_id"] = stored?.ModelId;
            document["source"] = stored?.Source;
            document["fit"] = new JsonObject
            {
                ["slots"] = fit.Slots, ["context_tokens"] = fit.ContextTokens, ["weight_bytes"] = fit.WeightBytes, ["cache_bytes"] = fit.CacheBytes,
                ["compute_bytes"] = fit.ComputeBytes, ["spare_bytes"] = fit.SpareBytes, ["needed_bytes"] = fit.Needed, ["available_bytes"] = available,
                ["fits"] = fits, ["gpu_layers"] = placement?.GpuLayers, ["gpu_bytes"] = placement?.DeviceBytes.Sum(), ["most_slots"] = MemoryFit.MostSlots(facts, fit.ContextTokens, available),
            };
            RowWriter.WriteObject(document, parse.GetValue(output), Lines, Console.Out);
            return fits ? ExitCode.Ok : ExitCode.CheckFailed;
        });
        return command;
    }

    /// <summary>Where the model would lie; no placement on a machine without a GPU.</summary>
    private static (bool Fits, ModelPlacement? Placement) Place(ModelFacts facts, MemoryFit fit, IReadOnlyList<GpuDevice> gpus, long available)
    {
        if (gpus.Count == 0)
        {
            return (fit.Needed <= available, null);
        }

        try
        {
            return (true, new MemoryPlan(gpus, available).Place("the model", facts, fit, new PlacementWish(-1, [], [])));
        }
        catch (ModelException exception) when (exception.Code == ModelErrorCode.NoSpace)
        {
            return (false, null);
        }
    }

    private static Command BuildRemove()
    {
        Argument<string> name = new("name") { Description = "Name in the store" };
        Command command = new("rm", "Remove a model, and its bytes unless another name uses them") { name };
        command.RunModels(async (parse, _) =>
        {
            ModelStore store = new();
            StoredModel model = Required(store, parse.GetValue(name)!);
            await Console.Error.WriteLineAsync($"removed {model.Name}, {Sizes.Words(store.Remove(model))} given back");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command BuildVerify()
    {
        Argument<string?> name = new("name") { Description = "Name in the store (default: all)", Arity = ArgumentArity.ZeroOrOne };
        RowOptionSet rows = new();
        Command command = new("verify", "Read every byte again and compare; exit code 1 when something is damaged\n\nExample: cocoon models verify qwen3-8b -o json") { name };
        rows.AddTo(command);
        command.RunModels(async (parse, cancellationToken) =>
        {
            ModelStore store = new();
            bool isWhole = true;
            await rows.PrintAsync(parse, FetchAsync, "models", CheckColumns, footnote: null, cancellationToken);
            if (!isWhole)
            {
                await Console.Error.WriteLineAsync("  fix  add or pull the same model again, which replaces what is damaged: cocoon models add FILE, or cocoon models pull SOURCE");
            }

            return isWhole ? ExitCode.Ok : ExitCode.CheckFailed;

            async Task<JsonObject> FetchAsync(CancellationToken token)
            {
                List<JsonObject> checks = [];
                foreach (StoredModel model in parse.GetValue(name) is { } one ? [Required(store, one)] : store.List())
                {
                    string[] damaged = [.. (await store.FindDamageAsync(model, token)).Select(f => f.Name)];
                    checks.Add(new JsonObject
                    {
                        ["name"] = model.Name, ["state"] = damaged.Length == 0 ? "ok" : "damaged or missing", ["model_id"] = model.ModelId, ["damaged"] = new JsonArray([.. damaged]),
                    });
                    isWhole &= damaged.Length == 0;
                }

                return Document(checks);
            }
        });
        return command;
    }

    private static IEnumerable<(string Label, string Value)> Lines(JsonObject d)
    {
        JsonObject fit = d["fit"]!.AsObject();
        string Bytes(string field) => Sizes.Words((long)fit[field]!);
        yield return ("name", Words.Printable(d["name"]?.ToString() ?? "-"));
        yield return ("title", Words.Printable(d["title"]?.ToString() ?? "-"));
        yield return ("stored as", d["stored_as"]?.ToString() ?? "-");
        yield return ("model id", d["model_id"]?.ToString() ?? "- (add it to the store to compute it)");
        yield return ("architecture", Words.Printable($"{d["architecture"]}, {Count(d["parameters"])} parameters, {d["layers"]} layers"));
        yield return ("quantisation", Words.Printable(d["quantisation"]!.ToString()));
        yield return ("context", $"{d["context_length"]} tokens trained");
        yield return ("chat template", (bool)d["chat_template"]! ? "its own" : "none: ChatML is used");
        yield return ("licence", Words.Printable(d["licence"]?.ToString() ?? "-"));
        yield return ("memory", $"{Bytes("weight_bytes")} weights + {Bytes("cache_bytes")} cache ({fit["slots"]} slots × {fit["context_tokens"]} tokens) + {Bytes("compute_bytes")} scratch + {Bytes("spare_bytes")} to spare (estimate)");
        if (fit["gpu_layers"] is { } layers)
        {
            yield return ("on GPUs", $"{((int)layers < 0 ? "all" : layers.ToString())} of {(long)d["layers"]! + 1} layers, {Bytes("gpu_bytes")}");
        }

        yield return ("fits here", (bool)fit["fits"]!
            ? $"yes: {Bytes("needed_bytes")} of {Bytes("available_bytes")} free; at most {fit["most_slots"]} slots"
            : $"no: {Bytes("needed_bytes")} needed, {Bytes("available_bytes")} free; at most {fit["most_slots"]} slots with this context");
    }

    private static JsonObject Row(StoredModel model) => new()
    {
        ["name"] = model.Name,
        ["architecture"] = model.Facts.Architecture,
        ["quantisation"] = model.Facts.Quantisation,
        ["parameters"] = model.Facts.Parameters,
        ["size"] = model.Size,
        ["context_length"] = model.Facts.ContextLength,
        ["model_id"] = model.ModelId,
        ["files"] = model.Files.Count,
        ["source"] = model.Source,
        ["age_seconds"] = Math.Max(0, (TimeProvider.System.GetUtcNow() - model.AddedAt).TotalSeconds),
    };

    private static string Count(JsonNode? parameters) => (long?)parameters switch
    {
        null => "-",
        >= 1_000_000_000 and var n => (n / 1e9).ToString("0.0", CultureInfo.InvariantCulture) + " B",
        var n => (n.Value / 1e6).ToString("0.0", CultureInfo.InvariantCulture) + " M",
    };

    private static Task AnnounceAsync(StoredModel model) => Console.Error.WriteLineAsync(
        $"stored {model.Name}: {Sizes.Words(model.Size)}, model id {model.ModelId}{Environment.NewLine}  next  cocoon up --model {model.Name}");

    private static StoredModel Required(ModelStore store, string name) => store.Find(name)
        ?? throw new ModelException(ModelErrorCode.NotFound, $"there is no model '{name}' in the store", null, "See 'cocoon models list'.");

    private static string Chosen(string? name, string path)
    {
        string chosen = name ?? ModelName.FromFile(path);
        return ModelName.IsValid(chosen)
            ? chosen
            : throw ModelFailures.BadName(chosen);
    }

    private static Option<string?> NameOption() => new("--name") { Description = "Name to keep it under (default: the file's)" };

    /// <summary>As other commands, with model errors in words and exit codes.</summary>
    private static void RunModels(this Command command, Func<ParseResult, CancellationToken, Task<int>> action) => command.Run(async (parse, cancellationToken) =>
    {
        try
        {
            return await action(parse, cancellationToken);
        }
        catch (ModelException exception)
        {
            throw ModelFailures.ToCli(exception);
        }
    });
}
