using Cocoon.Node.Hosting;

namespace Cocoon.Node.Serving;

/// <summary>Lets the price follow this machine's own load: busy raises it, idle lowers it, in small steps, never under the owner's floor.</summary>
/// <remarks>
/// Only what happened here counts: nothing that others say can move a price. Requests declined for lack of a slot count as load beyond
/// what fits, so that the price finds the point where slots are just enough.
/// </remarks>
internal sealed class AutoPrice(OfferedModels models, TimeProvider time, ILogger<AutoPrice> logger) : BackgroundService
{
    public const double Target = 0.6;
    public const double Dead = 0.15;
    public const double MaxStep = 0.05;

    /// <summary>How often the load is looked at, and how many looks make one decision.</summary>
    public static readonly TimeSpan Look = TimeSpan.FromSeconds(5);

    public const int LooksPerStep = 12;

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => RestartingLoops.RunAsync(
        models.All.Select((model, i) => ($"the price of {model.Name ?? $"model {i + 1}"}", (Func<CancellationToken, Task>)(token => FollowAsync(model, token)))), logger, time, stoppingToken);

    private async Task FollowAsync(OfferedModel model, CancellationToken stoppingToken)
    {
        using PeriodicTimer timer = new(Look, time);
        double sum = 0;
        int looks = 0;
        long declined = model.TurnedAway;
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            if (model.Enclave.Info is not { } info)
            {
                continue;
            }

            sum += Math.Min(1, (double)(model.Enclave.Load.Active + model.Enclave.Load.Queued) / Math.Max(1, info.Ready.Slots));
            if (++looks < LooksPerStep)
            {
                continue;
            }

            long now = model.TurnedAway;
            model.Prices.SetFactor(Next(model.Prices.Factor, sum / looks, turnedAway: now > declined));
            (sum, looks, declined) = (0, 0, now);
        }
    }

    /// <summary>The next factor: proportional to the distance from the target, at most one step of 5 %.</summary>
    internal static double Next(double factor, double utilisation, bool turnedAway)
    {
        double distance = (turnedAway ? 1 : utilisation) - Target;
        if (Math.Abs(distance) < Dead)
        {
            return factor;
        }

        double step = Math.Clamp(distance / (1 - Target), -1, 1) * MaxStep;
        return Math.Clamp(factor * (1 + step), 1, ServingPrices.MaxFactor);
    }
}
