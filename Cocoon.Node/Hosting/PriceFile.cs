using Cocoon.Node.Cli;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Payments.Proto;

namespace Cocoon.Node.Hosting;

/// <summary>Takes prices from the configuration file whenever it changes, without a restart. A broken file changes nothing.</summary>
internal sealed partial class PriceFile(string path, OfferedModels models, TimeProvider time, ILogger<PriceFile> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    private readonly IReadOnlyDictionary<string, string> _started = Others(ConfigFile.Read(path));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        DateTime seen = File.GetLastWriteTimeUtc(path);
        using PeriodicTimer timer = new(Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                DateTime now = File.GetLastWriteTimeUtc(path);
                if (now != seen && File.Exists(path))
                {
                    seen = now;
                    Take();
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private void Take()
    {
        try
        {
            IReadOnlyList<(string Name, IReadOnlyList<string> Arguments)> file = ConfigFile.Read(path);
            Apply(file, models.All);
            Log.Taken(logger);
            if (Changed(_started, Others(file)) is { Length: > 0 } changed)
            {
                Log.NeedsRestart(logger, changed);
            }
        }
        catch (Exception exception) when (exception is CliException or FormatException)
        {
            Log.Refused(logger, (exception as CliException)?.Why ?? exception.Message);
        }
    }

    /// <summary>A list gives each model its own price, in the order of the models; one value is for all. Nothing is set unless all can be.</summary>
    /// <exception cref="FormatException">A price is none, or there are more than one and not one for each model.</exception>
    internal static void Apply(IReadOnlyList<(string Name, IReadOnlyList<string> Arguments)> file, IReadOnlyList<OfferedModel> models)
    {
        Prices[] floors = [.. models.Select(m => m.Prices.Floor)];
        foreach ((string name, IReadOnlyList<string> arguments) in file)
        {
            Action<Prices, ulong>? set = name switch
            {
                "--price-in" => static (floor, price) => floor.Prompt = price,
                "--price-cached" => static (floor, price) => floor.Cached = price,
                "--price-out" => static (floor, price) => floor.Completion = price,
                _ => null,
            };
            if (set is null)
            {
                continue;
            }

            // Each value follows its option's name.
            ulong[] values = [.. arguments.Where((_, i) => i % 2 == 1).Select(Nanoton)];
            if (values.Length != 1 && values.Length != models.Count)
            {
                throw new FormatException($"{name[2..]} has {values.Length} values for {models.Count} models");
            }

            for (int i = 0; i < models.Count; i++)
            {
                set(floors[i], values[values.Length == 1 ? 0 : i]);
            }
        }

        for (int i = 0; i < models.Count; i++)
        {
            models[i].Prices.SetFloor(floors[i]);
        }
    }

    /// <summary>The options that are not prices, which the node was started with and keeps.</summary>
    internal static IReadOnlyDictionary<string, string> Others(IReadOnlyList<(string Name, IReadOnlyList<string> Arguments)> file) =>
        file.Where(o => !o.Name.StartsWith("--price-", StringComparison.Ordinal)).ToDictionary(o => o.Name, o => string.Join('\n', o.Arguments));

    /// <summary>The names of options that were added, taken away or changed, with commas.</summary>
    internal static string Changed(IReadOnlyDictionary<string, string> before, IReadOnlyDictionary<string, string> after) => string.Join(
        ", ", before.Keys.Union(after.Keys).Where(name => before.GetValueOrDefault(name) != after.GetValueOrDefault(name)).Select(name => name[2..]).Order(StringComparer.Ordinal));

    private static ulong Nanoton(string text) =>
        !TonAmount.TryParse(text, out TonAmount price, out string why) ? throw new FormatException($"'{text}' is no amount of TON: {why}")
            : price.Nanoton <= TonAmount.MostPrice.Nanoton ? price.Nanoton
            : throw new FormatException($"a price is 0 to {TonAmount.MostPrice} TON");

    private static partial class Log
    {
        [LoggerMessage(2331, LogLevel.Information, "Prices of the configuration file are in force")]
        public static partial void Taken(ILogger logger);

        [LoggerMessage(2333, LogLevel.Warning, "The configuration file changed in what needs a restart to be in force: {Options}")]
        public static partial void NeedsRestart(ILogger logger, string options);

        [LoggerMessage(2332, LogLevel.Warning, "The configuration file changed and cannot be used; prices stay: {Why}")]
        public static partial void Refused(ILogger logger, string why);
    }
}
