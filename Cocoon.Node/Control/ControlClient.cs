using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli;

namespace Cocoon.Node.Control;

/// <summary>Talks to a running node over the Unix socket in its data directory.</summary>
internal sealed class ControlClient : IDisposable
{
    private const int MaxResponseBytes = 64 << 20;

    private readonly HttpClient _http;
    private readonly string _socket;

    public ControlClient(string dataDirectory)
    {
        _socket = ControlSocket.PathIn(Path.GetFullPath(dataDirectory));
        _http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(_socket), cancellationToken);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
        })
        {
            BaseAddress = new Uri("http://localhost"),
            MaxResponseContentBufferSize = MaxResponseBytes,
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    public async Task<JsonObject> GetAsync(string path, CancellationToken cancellationToken) =>
        await SendAsync(new HttpRequestMessage(HttpMethod.Get, path), cancellationToken);

    public async Task<JsonObject> PostAsync(string path, JsonObject body, CancellationToken cancellationToken) =>
        await SendAsync(new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) }, cancellationToken);

    /// <summary>Sends a request and hands the response over once its headers are here, for event streams.</summary>
    public async Task<HttpResponseMessage> StreamAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }
        catch (HttpRequestException)
        {
            throw NotRunning();
        }
    }

    private async Task<JsonObject> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            using HttpResponseMessage response = await _http.SendAsync(request, cancellationToken);
            JsonObject document = await response.Content.ReadFromJsonAsync<JsonObject>(cancellationToken) ?? [];
            if (response.IsSuccessStatusCode)
            {
                return document;
            }

            JsonNode? error = document["error"];
            throw new ControlException(
                error?["exit_code"]?.GetValue<int>() ?? ExitCode.CheckFailed,
                error?["what"]?.GetValue<string>() ?? error?["message"]?.GetValue<string>() ?? $"the node answered {(int)response.StatusCode}",
                error?["why"]?.GetValue<string>(),
                error?["fix"]?.GetValue<string>());
        }
        catch (HttpRequestException)
        {
            throw NotRunning();
        }
        catch (JsonException)
        {
            throw new CliException(ExitCode.Network, "the node's answer could not be read", "it is not JSON", "Check that node and command line have the same version.");
        }
    }

    private CliException NotRunning() => new(
        ExitCode.NodeNotRunning,
        "no node is running here",
        $"nothing answers at {_socket}",
        "Start one with 'cocoon client' or 'cocoon up', or name its data directory with --data.");

    public void Dispose() => _http.Dispose();
}
