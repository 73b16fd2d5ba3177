using System.CommandLine;
using Cocoon.Node.Models;
using Cocoon.Node.Serving;

namespace Cocoon.Node.Cli;

/// <summary>The options of <c>cocoon up</c> that say which models are served and how; the n-th value belongs to the n-th model, one value to all.</summary>
internal sealed class ModelOptionSet
{
    /// <summary>All of them announce at most one change a second together, and an offer is renewed every 15.</summary>
    private const int MaxModels = 8;

    private const uint DefaultSlots = 4;
    private const ulong DefaultIn = 40_000_000, DefaultCached = 10_000_000, DefaultOut = 160_000_000;

    private readonly Option<string[]> _model = new("--model", "-m")
    {
        Description = "GGUF file, or name in 'cocoon models', to serve; may be repeated, and the n-th --slots, --price-… then is the n-th model's (default: the built-in cocoon-guide)",
        HelpName = "MODEL",
        DefaultValueFactory = _ => [],
    };

    private readonly Option<string?> _upstream = new("--upstream") { Description = "Serve what an OpenAI-compatible server on this machine answers (vLLM, SGLang, llama-server, Ollama)", HelpName = "URL" };
    private readonly Option<string?> _upstreamModel = new("--upstream-model") { Description = "The server's name for the model (default: its only one); $COCOON_UPSTREAM_KEY holds its API key", HelpName = "NAME" };
    private readonly Option<string[]> _name = new("--name") { Description = "Model name in offers (default: the one in 'cocoon models', else the file's own)", DefaultValueFactory = _ => [] };
    private readonly Option<uint[]> _slots = new Option<uint[]>("--slots") { Description = "Requests answered at a time", DefaultValueFactory = _ => [DefaultSlots] }.Within(1, MemoryFit.MaxSlots);
    private readonly Option<uint[]> _context = Context<uint[]>("Tokens of prompt and answer per request", [0]);
    private readonly Option<uint[]> _threads = Threads<uint[]>([0]);
    private readonly Option<uint[]> _work = new Option<uint[]>("--work-percent") { Description = "Most of the time that the engine may compute, in percent: less power, less noise", DefaultValueFactory = _ => [100] }.Within(1, 100);
    private readonly Option<TonAmount[]> _priceIn = TonAmount.List("--price-in", "TON per 1,000,000 prompt tokens", DefaultIn);
    private readonly Option<TonAmount[]> _priceCached = TonAmount.List("--price-cached", "TON per 1,000,000 cached prompt tokens", DefaultCached);
    private readonly Option<TonAmount[]> _priceOut = TonAmount.List("--price-out", "TON per 1,000,000 completion tokens", DefaultOut);
    private readonly GpuOptionSet _gpu = new();

    public static Option<T> Context<T>(string what, T otherwise) => new Option<T>("--context") { Description = $"{what} (0: the model's, at most 8192)", DefaultValueFactory = _ => otherwise }
        .Within(ModelServingOptions.LeastContext, 1 << 22, orZero: true);

    public static Option<T> Threads<T>(T otherwise) => new Option<T>("--threads") { Description = "Engine threads (0: chosen)", DefaultValueFactory = _ => otherwise }.Within(0, 1024);

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_model, _upstream, _upstreamModel, _name, _slots, _context, _threads, _work, _priceIn, _priceCached, _priceOut])
        {
            command.Options.Add(option);
        }

        _gpu.AddTo(command);
    }

    public bool NamesAny(ParseResult parse) => parse.GetValue(_model) is { Length: > 0 } || parse.GetValue(_upstream) is not null;

    /// <param name="find">The file of what <c>--model</c> names; <c>null</c> is the built-in model.</param>
    /// <exception cref="CliException">Out of range, named twice, or not to be told apart.</exception>
    public IReadOnlyList<ModelServingOptions> Read(ParseResult parse, Func<string?, string> find)
    {
        Uri? server = parse.GetValue(_upstream) is { } url ? UpstreamAddress.Read(url) : null;
        string[] models = parse.GetValue(_model) ?? [];
        if (server is not null && models.Length > 0)
        {
            throw new CliException(ExitCode.Usage, "--upstream and --model exclude each other", "one node serves files or a server", "Run a second node with --data of its own.");
        }

        if (models.Length > MaxModels)
        {
            throw new CliException(ExitCode.Usage, $"{models.Length} models are too many", $"at most {MaxModels} on one node");
        }

        string[] paths = server is not null ? [""] : models.Length == 0 ? [find(null)] : [.. models.Select(find)];
        if (paths.Distinct().Count() != paths.Length)
        {
            throw new CliException(ExitCode.Usage, "a model is named twice", null, "Give it more --slots instead.");
        }

        if ((parse.GetValue(_name) ?? []).FirstOrDefault(n => !ModelName.IsValid(n)) is { } foreign)
        {
            throw ModelFailures.BadName(foreign);
        }

        PerModel.RefuseSurplus(parse, paths.Length, [_slots, _context, _threads, _work, _priceIn, _priceCached, _priceOut, .. _gpu.EachModels]);
        string[] names = parse.GetValue(_name) ?? [];
        if (names.Length > 0 && (names.Length != paths.Length || names.Distinct().Count() != names.Length))
        {
            throw new CliException(ExitCode.Usage, $"{names.Length} names for {paths.Length} models", "each model needs a name of its own", "Give --name once for each --model.");
        }

        return
        [
            .. paths.Select((path, i) => new ModelServingOptions
            {
                ModelPath = path,
                Upstream = server,
                UpstreamModel = parse.GetValue(_upstreamModel) ?? "",
                UpstreamKey = Environment.GetEnvironmentVariable(UpstreamAddress.KeyVariable) ?? "",
                ModelName = i < names.Length ? names[i] : "",
                Slots = PerModel.Value(parse, _slots, i, DefaultSlots),
                ContextTokens = PerModel.Value(parse, _context, i, 0u),
                Threads = ThreadsOf(PerModel.Value(parse, _threads, i, 0u), paths.Length),
                WorkPercent = PerModel.Value(parse, _work, i, 100u),
                Gpu = _gpu.Read(parse, i),
                PricePrompt = PerModel.Value(parse, _priceIn, i, new TonAmount(DefaultIn)).ToPrice(),
                PriceCached = PerModel.Value(parse, _priceCached, i, new TonAmount(DefaultCached)).ToPrice(),
                PriceCompletion = PerModel.Value(parse, _priceOut, i, new TonAmount(DefaultOut)).ToPrice(),
            }),
        ];
    }

    /// <summary>Engines that share the cores unasked would spin against each other.</summary>
    private static uint ThreadsOf(uint wanted, int models) =>
        wanted > 0 || models == 1 ? wanted : (uint)Math.Max(1, (Environment.ProcessorCount - 1) / models);
}
