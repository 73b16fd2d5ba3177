using System.Net;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli;
using Cocoon.Node.EventStreams;

namespace Cocoon.Node.Control;

/// <summary>Talks to a running node over the Unix socket in its data directory.</summary>
internal sealed class ControlClient : IDisposable
{
    private const int MaxResponseBytes = 64 << 20;

    /// <summary>Three heartbeats of the event stream.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(30);

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

    /// <summary>What a person typed, as one segment of a path.</summary>
    /// <param name="what">What it should name, for the refusal.</param>
    /// <exception cref="CliException">Empty, or a step in a path, which would ask another question.</exception>
    public static string Segment(string typed, string what) => string.IsNullOrWhiteSpace(typed) || typed is "." or ".."
        ? throw new CliException(ExitCode.Usage, $"'{typed}' names no {what}")
        : Uri.EscapeDataString(typed);

    /// <summary>The document of the node that runs in a data directory; <c>null</c> when none does.</summary>
    /// <exception cref="CliException">It does not answer within <paramref name="wait"/>, or not with this.</exception>
    public static async Task<JsonObject?> AskAsync(string dataDirectory, string path, TimeSpan wait, CancellationToken cancellationToken)
    {
        using ControlClient client = new(dataDirectory);
        try
        {
            return await client.GetAsync(path, wait, cancellationToken);
        }
        catch (CliException exception) when (exception.ExitCode == ExitCode.NodeNotRunning)
        {
            return null;
        }
    }

    public async Task<JsonObject> GetAsync(string path, CancellationToken cancellationToken) =>
        await SendAsync(new HttpRequestMessage(HttpMethod.Get, path), cancellationToken);

    /// <summary>As <see cref="GetAsync(string, CancellationToken)"/>, but a node that hangs is not waited for without end.</summary>
    /// <exception cref="CliException">No answer within <paramref name="wait"/>.</exception>
    public async Task<JsonObject> GetAsync(string path, TimeSpan wait, CancellationToken cancellationToken) =>
        await LimitAsync(wait, t => GetAsync(path, t), cancellationToken);

    public async Task<JsonObject> PostAsync(string path, JsonObject body, CancellationToken cancellationToken) =>
        await SendAsync(new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) }, cancellationToken);

    /// <summary>As <see cref="PostAsync(string, JsonObject, CancellationToken)"/>, with a limit.</summary>
    /// <exception cref="CliException">No answer within <paramref name="wait"/>.</exception>
    public async Task<JsonObject> PostAsync(string path, JsonObject body, TimeSpan wait, CancellationToken cancellationToken) =>
        await LimitAsync(wait, t => PostAsync(path, body, t), cancellationToken);

    /// <summary>The node's events as they come, without the heartbeats, until cancelled or the node stops.</summary>
    /// <exception cref="CliException">No node, it refused, or it fell silent.</exception>
    public async IAsyncEnumerable<JsonObject> EventsAsync(string path, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, path);
        using HttpResponseMessage response = await StreamAsync(request, cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            throw new CliException(ExitCode.CheckFailed, $"the node answered {(int)response.StatusCode}", "too many may be watching it");
        }

        await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        await using PendingItems<SseItem<string>> items = new(leaving => SseParser.Create(stream).EnumerateAsync(leaving), cancellationToken);
        while (await NextAsync(items, cancellationToken))
        {
            if (JsonNode.Parse(items.Current.Data) is JsonObject item && (string?)item["type"] != "heartbeat")
            {
                yield return item;
            }
        }
    }

    private static async Task<bool> NextAsync(PendingItems<SseItem<string>> items, CancellationToken cancellationToken)
    {
        try
        {
            return await items.MoveNextAsync(Silence, TimeProvider.System, cancellationToken)
                ?? throw new CliException(ExitCode.TimedOut, "the node fell silent", $"not even a heartbeat came for {Silence.TotalSeconds:0} s", "See whether it hangs: 'cocoon status'.");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException && !cancellationToken.IsCancellationRequested)
        {
            throw new CliException(ExitCode.NodeNotRunning, "the node stopped", exception.Message, null);
        }
    }

    private static async Task<JsonObject> LimitAsync(TimeSpan wait, Func<CancellationToken, Task<JsonObject>> send, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(wait);
        try
        {
            return await send(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CliException(ExitCode.TimedOut, "the node does not answer", $"nothing came within {wait.TotalSeconds:0} s", "See whether it hangs: 'cocoon status'.");
        }
    }

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
            if (response.StatusCode == HttpStatusCode.NotFound && response.Content.Headers.ContentType is null)
            {
                throw new CliException(ExitCode.Usage, "this node cannot do that", "the node that runs here has another version", "Start it again with this one.");
            }

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
