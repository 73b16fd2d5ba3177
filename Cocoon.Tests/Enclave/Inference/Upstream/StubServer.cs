using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Cocoon.Tests.Enclave.Inference.Upstream;

/// <summary>A server on loopback that answers as it is told, byte for byte, and notes what it was asked and when the asker hung up.</summary>
internal sealed class StubServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentBag<Task> _connections = [];
    private readonly Task _accepting;

    public StubServer()
    {
        _listener.Start();
        Endpoint = new Uri($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/");
        _accepting = AcceptAsync();
    }

    public Uri Endpoint { get; }

    /// <summary>JSON documents by path.</summary>
    public Dictionary<string, string> Documents { get; } = [];

    /// <summary>Lines of the answer to a completion, sent as they are; <c>|</c> waits for <see cref="Step"/>.</summary>
    public string[] Answer { get; set; } = [];

    public int Status { get; set; } = 200;

    /// <summary>Body of an answer whose status is not 200.</summary>
    public string Refusal { get; set; } = "{}";

    public SemaphoreSlim Step { get; } = new(0);

    public ConcurrentQueue<(string Path, JsonElement Body)> Asked { get; } = new();

    /// <summary>Completes when an asker hung up before the end of an answer.</summary>
    public TaskCompletionSource HungUp { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_connections);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                TcpClient client = await _listener.AcceptTcpClientAsync(_stop.Token);
                _connections.Add(ServeAsync(client));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                NetworkStream stream = client.GetStream();
                while (await ReadRequestAsync(stream) is var (path, body) && path is not null)
                {
                    if (body is { } json)
                    {
                        Asked.Enqueue((path, json));
                        if (!await AnswerAsync(stream))
                        {
                            return;
                        }
                    }
                    else
                    {
                        string? document = Documents.GetValueOrDefault(path);
                        await SendAsync(stream, document is null ? 404 : 200, document ?? "{}");
                    }
                }
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                HungUp.TrySetResult();
            }
        }
    }

    /// <returns>Whether the connection may be used again.</returns>
    private async Task<bool> AnswerAsync(NetworkStream stream)
    {
        if (Status != 200)
        {
            await SendAsync(stream, Status, Refusal);
            return true;
        }

        await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"u8.ToArray(), _stop.Token);
        byte[] one = new byte[1];
        Task<int> hearing = stream.ReadAsync(one, _stop.Token).AsTask();
        foreach (string line in Answer)
        {
            if (line == "|")
            {
                Task step = Step.WaitAsync(_stop.Token);
                if (await Task.WhenAny(step, hearing) == hearing)
                {
                    HungUp.TrySetResult();
                    return false;
                }

                await step;
                continue;
            }

            await stream.WriteAsync(Encoding.UTF8.GetBytes(line), _stop.Token);
        }

        return false;
    }

    private async Task SendAsync(NetworkStream stream, int status, string document)
    {
        byte[] body = Encoding.UTF8.GetBytes(document);
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nRetry-After: 7\r\nContent-Length: {body.Length}\r\n\r\n"), _stop.Token);
        await stream.WriteAsync(body, _stop.Token);
    }

    private async Task<(string? Path, JsonElement? Body)> ReadRequestAsync(NetworkStream stream)
    {
        StringBuilder head = new();
        byte[] one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            if (await stream.ReadAsync(one, _stop.Token) == 0)
            {
                return default;
            }

            head.Append((char)one[0]);
        }

        string[] lines = head.ToString().Split("\r\n");
        int length = lines.Where(l => l.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase))
            .Select(l => int.Parse(l.AsSpan(15), System.Globalization.CultureInfo.InvariantCulture)).FirstOrDefault();
        byte[] body = new byte[length];
        await stream.ReadExactlyAsync(body, _stop.Token);
        return (lines[0].Split(' ')[1], length > 0 ? JsonDocument.Parse(body).RootElement.Clone() : null);
    }
}
