using System.Net.Sockets;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli;
using Cocoon.Node.Control;
using Cocoon.Node.OpenAi;
using Cocoon.Node.Payments;
using Cocoon.Node.Peers;
using Cocoon.Node.Serving;
using Cocoon.Node.Sessions;
using Cocoon.Node.Storage;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Cocoon.Node.Hosting;

/// <summary>Composes a node of one role, runs it until it is told to stop, and stops it in order.</summary>
internal static class NodeRunner
{
    private const long MaxRequestBody = AskRequest.MaxBodyBytes + 1024;

    private static readonly TimeSpan ShutdownTime = TimeSpan.FromSeconds(20);

    /// <exception cref="CliException">The node cannot start, with what to do about it.</exception>
    public static async Task<int> RunAsync(
        NodeOptions node, ServingOptions? serving, ClientOptions? client, bool verbose, bool readyJson, CancellationToken cancellationToken)
    {
        using DataDirectory directory = DataDirectory.Open(node.DataDirectory);
        await using WebApplication app = Build(node, serving, client, directory, verbose ? LogLevel.Debug : LogLevel.Information);
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch (PaymentException exception)
        {
            throw CliException.Of(exception, "the node cannot start");
        }
        catch (Exception exception) when (exception is (IOException and not StorageException) or SocketException)
        {
            throw new CliException(ExitCode.Network, "the node cannot listen", exception.Message, "Choose other addresses with --listen or --api.");
        }

        await AnnounceReadyAsync(app, node, readyJson);
        await app.WaitForShutdownAsync(cancellationToken);
        return ExitCode.Ok;
    }

    internal static WebApplication Build(NodeOptions node, ServingOptions? serving, ClientOptions? client, DataDirectory directory, LogLevel logLevel)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Configuration.Sources.Clear();
        builder.Logging.ClearProviders();
        builder.Logging.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.UseUtcTimestamp = true;
            console.TimestampFormat = "HH:mm:ss ";
        });
        builder.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(o => o.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Logging.SetMinimumLevel(logLevel);
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        builder.Logging.AddFilter("System", LogLevel.Warning);
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = ShutdownTime);

        string socket = ControlSocket.PathIn(directory.Path);
        File.Delete(socket);

        // What is flushed leaves on the thread that flushed it: each token of a stream would else wake two threads of the pool.
        builder.WebHost.UseSockets(sockets => sockets.UnsafePreferInlineScheduling = true);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MaxRequestBody;
            kestrel.Limits.MaxConcurrentConnections = 1024;
            kestrel.ListenUnixSocket(socket);
            if (client is not null)
            {
                kestrel.Listen(ApiAddress.Parse(client.ApiListen), listen => listen.Protocols = HttpProtocols.Http1);
            }
        });

        builder.Services.AddSingleton<Microsoft.AspNetCore.Connections.IMemoryPoolFactory<byte>, HttpBlockPool.Factory>();
        builder.Services.ConfigureHttpJsonOptions(json => json.SerializerOptions.PropertyNamingPolicy = System.Text.Json.JsonNamingPolicy.SnakeCaseLower);
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddNode(node, directory);
        switch (node.Role)
        {
            case NodeRole.Provider:
                builder.Services.AddProvider(node, serving!);
                break;
            case NodeRole.Client:
                builder.Services.AddLightClient(client!);
                break;
        }

        WebApplication app = builder.Build();
        app.UseMiddleware<LocalOnly>();
        app.MapControl();
        if (serving is not null && node.Role == NodeRole.Provider)
        {
            app.MapServing();
        }

        if (client is not null)
        {
            app.MapOpenAi();
        }

        app.MapOtherRoles(client is null ? ["/control/{**path}", "/v1/{**path}"] : ["/control/{**path}"]);
        return app;
    }

    private static async Task AnnounceReadyAsync(WebApplication app, NodeOptions node, bool readyJson)
    {
        ControlSocket.Protect(ControlSocket.PathIn(node.DataDirectory));
        PeerNetwork network = app.Services.GetRequiredService<PeerNetwork>();
        string[] addresses = [.. network.Host.Addresses.Select(a => a.WithPeer(network.Host.LocalPeer).ToString())];
        string? api = NodeUrls.Api(app);
        foreach (string address in addresses)
        {
            await Console.Error.WriteLineAsync($"listening on {address}");
        }

        if (api is not null)
        {
            await Console.Error.WriteLineAsync($"OpenAI API at {api}");
        }

        if (readyJson)
        {
            JsonObject ready = new()
            {
                ["schema"] = ControlJson.Schema,
                ["peer_id"] = network.Host.LocalPeer.ToString(),
                ["addresses"] = new JsonArray([.. addresses.Select(a => JsonValue.Create(a))]),
                ["base_url"] = api,
                ["pid"] = Environment.ProcessId,
            };
            await Console.Out.WriteLineAsync(ready.ToJsonString());
            await Console.Out.FlushAsync();
        }
    }
}
