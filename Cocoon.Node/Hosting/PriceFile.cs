using System.Globalization;
using Cocoon.Node.Cli;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Payments.Proto;

namespace Cocoon.Node.Hosting;

/// <summary>Takes prices from the configuration file whenever it changes, without a restart. A broken file changes nothing.</summary>
internal sealed partial class PriceFile(string path, ServingPrices prices, TimeProvider time, ILogger<PriceFile> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

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
            Prices floor = prices.Floor;
            foreach ((string name, IReadOnlyList<string> arguments) in ConfigFile.Read(path))
            {
                switch (name)
                {
                    case "--price-in":
                        floor.Prompt = Nanoton(arguments);
                        break;
                    case "--price-cached":
                        floor.Cached = Nanoton(arguments);
                        break;
                    case "--price-out":
                        floor.Completion = Nanoton(arguments);
                        break;
                }
            }

            prices.SetFloor(floor);
            Log.Taken(logger);
        }
        catch (Exception exception) when (exception is CliException or FormatException)
        {
            Log.Refused(logger, (exception as CliException)?.Why ?? exception.Message);
        }
    }

    private static ulong Nanoton(IReadOnlyList<string> arguments) =>
        arguments is [_, { } text] && decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out decimal ton) && ton is >= 0 and <= 1000
            ? (ulong)(ton * 1_000_000_000m)
            : throw new FormatException("a price is a number of TON from 0 to 1000");

    private static partial class Log
    {
        [LoggerMessage(3201, LogLevel.Information, "Prices of the configuration file are in force")]
        public static partial void Taken(ILogger logger);

        [LoggerMessage(3202, LogLevel.Warning, "The configuration file changed and cannot be used; prices stay: {Why}")]
        public static partial void Refused(ILogger logger, string why);
    }
}
