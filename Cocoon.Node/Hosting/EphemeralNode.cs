using Cocoon.Node.Cli;
using Cocoon.Node.Control;
using Cocoon.Node.Peers;
using Cocoon.Node.Storage;

namespace Cocoon.Node.Hosting;

/// <param name="NeedsJoining">Wait until somebody was reached.</param>
internal sealed record EphemeralNodeOptions(string Network, IReadOnlyList<string> Bootstrap, bool AllowPrivateAddresses, bool NeedsJoining);

/// <summary>A peer that lives for one command: fresh identity, DHT client, nothing served, nothing kept.</summary>
/// <remarks>Its data directory, which holds its control socket, is a temporary one of mode 0700 and goes with it.</remarks>
internal sealed class EphemeralNode : IAsyncDisposable
{
    private static readonly TimeSpan JoinWait = TimeSpan.FromSeconds(15), StopWait = TimeSpan.FromSeconds(3);

    private readonly DataDirectory _directory;
    private readonly WebApplication _app;
    private bool _isStarted;

    private EphemeralNode(DataDirectory directory, WebApplication app) => (_directory, _app) = (directory, app);

    public string DataDirectory => _directory.Path;

    /// <exception cref="CliException">Nobody answers.</exception>
    public static async Task<EphemeralNode> StartAsync(EphemeralNodeOptions options, CancellationToken cancellationToken)
    {
        DataDirectory directory = Storage.DataDirectory.Open(Directory.CreateTempSubdirectory("cocoon-eph-").FullName);
        NodeOptions node = new()
        {
            Role = NodeRole.Observer,
            DataDirectory = directory.Path,
            Network = options.Network,
            Bootstrap = options.Bootstrap,
            AllowPrivateAddresses = options.AllowPrivateAddresses,
        };
        EphemeralNode started = new(directory, NodeRunner.Build(node, serving: null, client: null, directory, LogLevel.Error));
        try
        {
            await started._app.StartAsync(cancellationToken);
            started._isStarted = true;
            ControlSocket.Protect(ControlSocket.PathIn(directory.Path));
            if (options.NeedsJoining)
            {
                await started.JoinAsync(options, cancellationToken);
            }

            return started;
        }
        catch
        {
            await started.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        using CancellationTokenSource limit = new(StopWait);
        try
        {
            // One that did not come up has nothing to stop, and what stopped it is to be told.
            await (_isStarted ? _app.StopAsync(limit.Token) : Task.CompletedTask);
        }
        catch (OperationCanceledException)
        {
            // It is thrown away all the same.
        }

        await _app.DisposeAsync();
        _directory.Dispose();
        Directory.Delete(_directory.Path, recursive: true);
    }

    private async Task JoinAsync(EphemeralNodeOptions options, CancellationToken cancellationToken)
    {
        try
        {
            await _app.Services.GetRequiredService<PeerNetwork>().Joined.WaitAsync(JoinWait, cancellationToken);
        }
        catch (TimeoutException)
        {
            throw new CliException(
                ExitCode.Network, "nobody was reached", $"within {JoinWait.TotalSeconds:0} s none of these answered: {string.Join(", ", options.Bootstrap)}", "Check the addresses; private and loopback ones need --lan.");
        }
    }
}
