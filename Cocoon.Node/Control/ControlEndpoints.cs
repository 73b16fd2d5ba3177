using System.Text.Json;
using Cocoon.Node.Cli;
using Cocoon.Node.Discovery;
using Cocoon.Node.Hosting;
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
        app.MapGet("/control/attestation", (AttestationReporter reporter, string? peer, CancellationToken ct) => Answer(() => reporter.ShowAsync(peer, ct)));
        app.MapGet("/control/policy", (AttestationReporter reporter) => Answer(() => Task.FromResult(reporter.Policy())));
        app.MapGet("/control/chain", (NetworkProfile network, NodeOptions node) => Answer(() => Task.FromResult(
            new ChainDocument(ControlJson.Schema, network.Name, [.. network.Endpoints.Select(e => e.ToString())], node.Registry))));
        app.MapGet("/control/wallet", (MoneyReporter reporter, CancellationToken ct) => Answer(() => reporter.WalletAsync(ct)));
        app.MapPost("/control/wallet/send", (IServiceProvider services, SendRequest request, CancellationToken ct) => Answer(() => Wallet<WalletActions>(services).SendAsync(request, ct)));
        app.MapPost("/control/wallet/messages", (IServiceProvider services, MessagesRequest request, CancellationToken ct) => Answer(() => Wallet<WalletActions>(services).SendMessagesAsync(request, ct)));
        app.MapGet("/control/channels", (MoneyReporter reporter) => Answer(() => Task.FromResult(reporter.Channels())));
        app.MapGet("/control/export/channels", (IServiceProvider services) => Answer(() => Task.FromResult(Wallet<ChannelActions>(services).Export())));
        app.MapGet("/control/channels/{id}", (MoneyReporter reporter, string id, CancellationToken ct) => Answer(() => reporter.StatementAsync(id, ct)));
        app.MapPost("/control/restore/channels", (IServiceProvider services, CancellationToken ct) => Answer(() => Wallet<ChannelActions>(services).RestoreAsync(ct)));
        app.MapPost("/control/channels/open", (IServiceProvider services, OpenChannelRequest request, CancellationToken ct) => Answer(() => Wallet<ChannelActions>(services).OpenAsync(request, ct)));
        app.MapPost("/control/channels/{id}/topup", (IServiceProvider services, string id, TopUpRequest request, CancellationToken ct) => Answer(() => Wallet<ChannelActions>(services).TopUpAsync(id, request, ct)));
        app.MapPost("/control/channels/{id}/close", (IServiceProvider services, string id, CloseRequestBody request, CancellationToken ct) => Answer(() => Wallet<ChannelActions>(services).CloseAsync(id, request, ct)));
        app.MapPost("/control/channels/{id}/claim", (IServiceProvider services, string id, DryRunRequest request, CancellationToken ct) => Answer(() => Wallet<ChannelActions>(services).ClaimAsync(id, request, ct)));
        app.MapGet("/control/keys", (KeyReporter reporter) => Answer(() => Task.FromResult(reporter.List())));
        app.MapPost("/control/keys", (KeyReporter reporter, KeyRequest request, CancellationToken ct) => Answer(() => reporter.CreateAsync(request, ct)));
        app.MapPost("/control/keys/{key}/remove", (KeyReporter reporter, string key, CancellationToken ct) => Answer(() => reporter.RemoveAsync(key, ct)));
        app.MapPost("/control/stop", (IHostApplicationLifetime lifetime) =>
        {
            lifetime.StopApplication();
            return Results.Json(new { schema = ControlJson.Schema, stopping = true }, ControlJson.Options);
        });
    }

    /// <summary>What another role does: said as such, with the role that this node has.</summary>
    /// <param name="paths">Route patterns that nothing else answers.</param>
    public static void MapOtherRoles(this WebApplication app, params string[] paths)
    {
        foreach (string path in paths)
        {
            app.MapFallback(path, (NodeOptions node) => Failure(
                ExitCode.Usage, "this node cannot do that", $"it is {RoleWords(node.Role)}, version {NodeAgent.Version}",
                "Name the data directory of a provider ('cocoon up') or a light client ('cocoon client'), whichever does it, with --data."));
        }
    }

    private static string RoleWords(NodeRole role) => role switch
    {
        NodeRole.Provider => "a provider",
        NodeRole.Client => "a light client",
        NodeRole.Bootstrap => "a bootstrap node, which serves no model and asks none",
        _ => "a throwaway peer",
    };

    /// <summary>What needs a wallet, which a node that neither serves nor pays has not.</summary>
    private static T Wallet<T>(IServiceProvider services)
        where T : class => services.GetService<T>() ?? throw new CliException(
            ExitCode.NotFound, "this node has no wallet", "it serves no model and pays for none", "Ask a provider or a light client: --data names its data directory.");

    /// <summary>A provider's switch and prices.</summary>
    public static void MapServing(this WebApplication app)
    {
        app.MapGet("/control/serving", (ServingReporter reporter) => Answer(() => Task.FromResult(reporter.Report())));
        app.MapPost("/control/serving/{verb}", (ServingReporter reporter, string verb) => Answer(() => Task.FromResult(reporter.Switch(verb))));
        app.MapPost("/control/prices", (ServingReporter reporter, PriceRequest request) => Answer(() => Task.FromResult(reporter.SetPrices(request))));
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
            return Failure(exception);
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

    private static IResult Failure(PaymentException exception)
    {
        CliException error = CliException.Of(exception);
        Shortfall? missing = exception.Shortfall;
        return Results.Json(
            new ControlErrorDocument(new ControlErrorDocument.Detail(error.Message, error.Why, error.Fix, error.ExitCode)
            {
                NeededNanoton = missing is null ? null : ControlJson.Nanoton(missing.Needed),
                AvailableNanoton = missing is null ? null : ControlJson.Nanoton(missing.Available),
                Address = missing?.Wallet.ToFriendly(bounceable: false),
            }),
            ControlJson.Options,
            statusCode: StatusCodes.Status400BadRequest);
    }

    private static IResult Failure(int exitCode, string what, string? why, string? fix) => Results.Json(
        new ControlErrorDocument(new ControlErrorDocument.Detail(what, why, fix, exitCode)), ControlJson.Options, statusCode: StatusCodes.Status400BadRequest);
}
