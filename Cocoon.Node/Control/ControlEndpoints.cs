using System.Text.Json;
using Cocoon.Node.Cli;
using Cocoon.Node.Payments;
using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Control;

/// <summary>The control API behind command line and dashboard: JSON over the Unix socket in the data directory.</summary>
internal static class ControlEndpoints
{
    public static void MapControl(this WebApplication app)
    {
        app.MapGet("/control/status", (StatusReporter reporter, CancellationToken ct) => Answer(() => reporter.StatusAsync(ct)));
        app.MapNetwork();
        app.MapGet("/control/wallet", (MoneyReporter reporter, CancellationToken ct) => Answer(() => reporter.WalletAsync(ct)));
        app.MapPost("/control/wallet/send", (MoneyReporter reporter, SendRequest request, CancellationToken ct) => Answer(() => reporter.SendAsync(request, ct)));
        app.MapGet("/control/channels", (MoneyReporter reporter) => Answer(() => Task.FromResult(reporter.Channels())));
        app.MapPost("/control/channels/{id}/close", (MoneyReporter reporter, string id, CancellationToken ct) => Answer(() => reporter.CloseAsync(id, ct)));
        app.MapPost("/control/channels/{id}/claim", (MoneyReporter reporter, string id, CancellationToken ct) => Answer(() => reporter.ClaimAsync(id, ct)));
        app.MapPost("/control/stop", (IHostApplicationLifetime lifetime) =>
        {
            lifetime.StopApplication();
            return Results.Json(new { schema = ControlJson.Schema, stopping = true }, ControlJson.Options);
        });
    }

    /// <summary>Runs a request; the one place where refusals become error documents.</summary>
    internal static async Task<IResult> Answer<T>(Func<Task<T>> work)
    {
        try
        {
            return Results.Json(await work(), ControlJson.Options);
        }
        catch (CliException exception)
        {
            return Failure(exception.ExitCode, exception.Message, exception.Why, exception.Fix);
        }
        catch (PaymentException exception)
        {
            return Failure(ExitCode.Payment, "the money side refused", exception.Message, null);
        }
        catch (TonException exception)
        {
            return Failure(ExitCode.Network, "the chain did not do its part", exception.Message, "See 'cocoon status'.");
        }
        catch (FormatException exception)
        {
            return Failure(ExitCode.Usage, "an argument is malformed", exception.Message, null);
        }
        catch (JsonException)
        {
            return Failure(ExitCode.Usage, "the request is no valid JSON", null, null);
        }
    }

    private static IResult Failure(int exitCode, string what, string? why, string? fix) => Results.Json(
        new ControlErrorDocument(new ControlErrorDocument.Detail(what, why, fix, exitCode)), ControlJson.Options, statusCode: StatusCodes.Status400BadRequest);
}

internal sealed record SendRequest(string To, string AmountNanoton);
