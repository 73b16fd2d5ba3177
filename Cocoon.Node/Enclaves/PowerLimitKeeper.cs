using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli;

namespace Cocoon.Node.Enclaves;

/// <summary>Holds a cap on the watts of this machine's NVIDIA GPUs as long as it is not disposed of, or this process lives.</summary>
internal sealed class PowerLimitKeeper : IAsyncDisposable
{
    private static readonly TimeSpan EndTime = TimeSpan.FromSeconds(5);

    private readonly Process _child;
    private bool _isDisposed;

    private PowerLimitKeeper(Process child) => _child = child;

    /// <summary>A line for people about each GPU that is capped.</summary>
    public IReadOnlyList<string> Gpus { get; private set; } = [];

    /// <exception cref="CliException">No GPU that can be capped, out of its range, or not allowed to.</exception>
    public static Task<PowerLimitKeeper> StartAsync(uint watts, CancellationToken cancellationToken) =>
        StartAsync(EnclaveLaunch.PowerLimit(watts), cancellationToken);

    /// <inheritdoc cref="StartAsync(uint, CancellationToken)"/>
    internal static async Task<PowerLimitKeeper> StartAsync(ProcessStartInfo info, CancellationToken cancellationToken)
    {
        PowerLimitKeeper keeper = new(Process.Start(info) ?? throw new InvalidOperationException("no process was started"));
        try
        {
            JsonObject? document = await keeper.ReadAsync(cancellationToken);
            if (document?["gpus"] is not JsonArray gpus)
            {
                throw new CliException(
                    ExitCode.CheckFailed, "the power limit cannot be set", document?["error"]?.ToString() ?? "the process that sets it ended without an answer");
            }

            keeper.Gpus = [.. gpus.Select(g => $"{g!["name"]}: at most {g["watts"]} W, {g["watts_before"]} W again when this node ends")];
            return keeper;
        }
        catch
        {
            await keeper.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        using CancellationTokenSource patience = new(EndTime);
        try
        {
            // The end of its input is what it waits for.
            _child.StandardInput.Close();
            await _child.WaitForExitAsync(patience.Token);
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            _child.Kill();
        }

        _child.Dispose();
    }

    private async Task<JsonObject?> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _child.StandardOutput.ReadLineAsync(cancellationToken) is { } line ? JsonNode.Parse(line) as JsonObject : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
