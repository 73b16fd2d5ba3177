using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Node.Control;

namespace Cocoon.Node.Cli;

/// <summary>What the light client has spent since a moment, by its channels: the only word on the cost of an answer that was not awaited.</summary>
internal sealed class SpentSince
{
    /// <summary>The enclave says what a cut answer came to when its slot has stopped, a step later.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3), Poll = TimeSpan.FromMilliseconds(250);

    private readonly ControlClient _client;
    private readonly decimal _before;

    private SpentSince(ControlClient client, decimal before)
    {
        _client = client;
        _before = before;
    }

    public static async Task<SpentSince> BeginAsync(ControlClient client, CancellationToken cancellationToken) => new(client, await ReadAsync(client, cancellationToken));

    /// <returns>nanoTON, once they no longer change, within three seconds; <c>null</c> when the client does not say.</returns>
    public async Task<decimal?> ReadAsync()
    {
        using CancellationTokenSource limit = new(Patience);
        decimal? spent = null;
        try
        {
            for (decimal? last = null; spent is not > 0 || spent != last; await Task.Delay(Poll, limit.Token))
            {
                last = spent;
                spent = await ReadAsync(_client, limit.Token) - _before;
            }
        }
        catch (OperationCanceledException)
        {
            // Nothing, or nothing more, was spent.
        }
        catch (CliException)
        {
            return null;
        }

        return spent;
    }

    private static async Task<decimal> ReadAsync(ControlClient client, CancellationToken cancellationToken)
    {
        JsonObject document = await client.GetAsync("/control/channels", cancellationToken);
        return document["channels"]!.AsArray().Where(c => (string)c!["direction"]! == "out").Sum(c => decimal.Parse((string)c!["spent_nanoton"]!, CultureInfo.InvariantCulture));
    }
}
