namespace Cocoon.Tests.EndToEnd;

/// <summary>Waits for what other processes do; they have no event to await.</summary>
internal static class Eventually
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(50);

    /// <summary>Asks again and again until the answer is not <c>null</c>.</summary>
    /// <exception cref="TimeoutException">Not within the time.</exception>
    public static async Task<T> GetAsync<T>(string what, Func<Task<T?>> ask, TimeSpan limit, CancellationToken cancellationToken)
        where T : class
    {
        using CancellationTokenSource clock = new(limit);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, clock.Token);
        using PeriodicTimer timer = new(s_interval);
        try
        {
            while (true)
            {
                if (await ask() is { } answer)
                {
                    return answer;
                }

                await timer.WaitForNextTickAsync(linked.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"{what}: not within {limit.TotalSeconds:0} s");
        }
    }

    public static Task TrueAsync(string what, Func<bool> holds, TimeSpan limit, CancellationToken cancellationToken) =>
        GetAsync<object>(what, () => Task.FromResult(holds() ? what : null as object), limit, cancellationToken);
}
