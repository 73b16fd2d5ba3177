namespace Cocoon.Node.Serving;

/// <summary>Opens and closes the switch by the owner's hours.</summary>
internal sealed class ScheduleKeeper(ServingSchedule schedule, ServingSwitch serving, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using PeriodicTimer timer = new(Interval, time);
        try
        {
            do
            {
                serving.Set(ServingPause.Schedule, !schedule.IsOpen(time.GetLocalNow().DateTime));
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }
}
