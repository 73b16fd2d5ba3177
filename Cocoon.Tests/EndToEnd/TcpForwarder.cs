using System.Net;
using System.Net.Sockets;

namespace Cocoon.Tests.EndToEnd;

/// <summary>A wire between two processes that a test can cut: forwards TCP connections.</summary>
internal sealed class TcpForwarder : IAsyncDisposable
{
    private readonly IPEndPoint _target;
    private CancellationTokenSource _cut = new();
    private TcpListener _listener;
    private Task _accepting;

    public TcpForwarder(IPEndPoint target)
    {
        _target = target;
        _listener = new TcpListener(IPAddress.Loopback, 0);
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync(_listener, _cut.Token);
    }

    public int Port { get; }

    /// <summary>Ends every connection and refuses new ones.</summary>
    public async Task CutAsync()
    {
        await _cut.CancelAsync();
        _listener.Stop();
        await _accepting;
    }

    /// <summary>Listens again, at the same port.</summary>
    public void Mend()
    {
        _cut.Dispose();
        _cut = new CancellationTokenSource();
        _listener = new TcpListener(IPAddress.Loopback, Port);
        _listener.Start();
        _accepting = AcceptAsync(_listener, _cut.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await CutAsync();
        _cut.Dispose();
        _listener.Dispose();
    }

    private async Task AcceptAsync(TcpListener listener, CancellationToken cancellationToken)
    {
        List<Task> connections = [];
        try
        {
            while (true)
            {
                connections.Add(ForwardAsync(await listener.AcceptSocketAsync(cancellationToken), cancellationToken));
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ForwardAsync(Socket dialer, CancellationToken cancellationToken)
    {
        using (dialer)
        using (Socket target = new(SocketType.Stream, ProtocolType.Tcp))
        {
            try
            {
                await target.ConnectAsync(_target, cancellationToken);
                await Task.WhenAll(PumpAsync(dialer, target, cancellationToken), PumpAsync(target, dialer, cancellationToken));
            }
            catch (Exception exception) when (exception is OperationCanceledException or SocketException)
            {
                // Either side hung up, or the wire was cut.
            }
        }
    }

    private static async Task PumpAsync(Socket from, Socket to, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[64 * 1024];
        int read;
        while ((read = await from.ReceiveAsync(buffer, cancellationToken)) > 0)
        {
            await to.SendAsync(buffer.AsMemory(0, read), cancellationToken);
        }

        to.Shutdown(SocketShutdown.Send);
    }
}
