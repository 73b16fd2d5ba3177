namespace Cocoon.Node.Hosting;

/// <summary>Loops that run side by side for as long as a service does: one that fails is told at once and begun again, and the others do not notice.</summary>
internal static partial class RestartingLoops
{
    /// <summary>Before a loop that failed is begun again. Own choice: an offer outlives several of them.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    /// <summary>Completes once all have ended, which they do when the token says so.</summary>
    /// <param name="loops">Each with what it does, for people.</param>
    public static Task RunAsync(
        IEnumerable<(string What, Func<CancellationToken, Task> Run)> loops, ILogger logger, TimeProvider time, CancellationToken stoppingToken) =>
        Task.WhenAll([.. loops.Select(loop => RunOneAsync(loop.What, loop.Run, logger, time, stoppingToken))]);

    private static async Task RunOneAsync(string what, Func<CancellationToken, Task> run, ILogger logger, TimeProvider time, CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                try
                {
                    await run(stoppingToken);
                    return;
                }
                catch (Exception exception) when (exception is not OperationCanceledException || !stoppingToken.IsCancellationRequested)
                {
                    Log.Failed(logger, what, Pause.TotalSeconds, exception);
                }

                await Task.Delay(Pause, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1401, LogLevel.Error, "Failed: {What}; it is begun again in {Seconds} s")]
        public static partial void Failed(ILogger logger, string what, double seconds, Exception exception);
    }
}
