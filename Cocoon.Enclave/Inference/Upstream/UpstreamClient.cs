using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;

namespace Cocoon.Enclave.Inference.Upstream;

/// <summary>HTTP to one server on loopback. Safe for concurrent use.</summary>
internal sealed class UpstreamClient : IDisposable
{
    private const int MaxDocument = 1 << 20;

    private readonly UpstreamOptions _options;
    private readonly TimeProvider _time;
    private readonly HttpClient _http;

    public UpstreamClient(UpstreamOptions options, TimeProvider time)
    {
        _options = options;
        _time = time;
        IPEndPoint address = options.Address();
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = options.ConnectTimeout,
            MaxConnectionsPerServer = options.Slots + 4,
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(5),

            // Otherwise a cancelled answer is read on for two seconds, and the server works on for nobody.
            MaxResponseDrainSize = 0,
            ResponseDrainTimeout = TimeSpan.Zero,

            // The address is fixed: nothing is looked up.
            ConnectCallback = async (_, cancellationToken) =>
            {
                Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                try
                {
                    await socket.ConnectAsync(address, cancellationToken);
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
            BaseAddress = new UriBuilder("http", address.Address.ToString(), address.Port).Uri,
            Timeout = Timeout.InfiniteTimeSpan,
        };
        if (options.ApiKey is not null)
        {
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", options.ApiKey);
        }
    }

    /// <summary>A small JSON document; <c>null</c> when the server has none there.</summary>
    public async Task<JsonDocument?> FindAsync(string path, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(_options.ConnectTimeout * 2, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using HttpResponseMessage response = await _http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, either.Token);
            if (!response.IsSuccessStatusCode || response.Content.Headers.ContentLength > MaxDocument)
            {
                return null;
            }

            await using Stream body = await response.Content.ReadAsStreamAsync(either.Token);
            byte[] document = new byte[MaxDocument];
            int length = await body.ReadAtLeastAsync(document, document.Length, throwOnEndOfStream: false, either.Token);
            return JsonDocument.Parse(document.AsMemory(0, length));
        }
        catch (Exception e) when (e is HttpRequestException or JsonException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return null;
        }
    }

    public async Task<bool> AnswersAsync(string path, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(_options.ConnectTimeout * 2, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using HttpResponseMessage response = await _http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, either.Token);
            return response.IsSuccessStatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return false;
        }
    }

    /// <summary>Sends a request and returns the answer with its body still to be read. Disposing it hangs up, which stops the server's work.</summary>
    /// <exception cref="EngineException">No answer, or an error instead.</exception>
    public async Task<HttpResponseMessage> PostAsync(string path, ReadOnlyMemory<byte> json, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(_options.FirstByteTimeout, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        ReadOnlyMemoryContent content = new(json);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = content };
        HttpResponseMessage response;
        try
        {
            response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
        }
        catch (HttpRequestException e)
        {
            throw new EngineException(EngineErrorCode.Unavailable, "the upstream server does not answer", inner: e);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new EngineException(EngineErrorCode.Unavailable, "the upstream server did not begin to answer in time");
        }

        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            throw await RefusalAsync(response, either.Token);
        }
    }

    public void Dispose() => _http.Dispose();

    /// <summary>The server's words stay here, they may quote the prompt: only what kind of refusal it is goes on.</summary>
    private static async Task<EngineException> RefusalAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        string words = "";
        try
        {
            await using Stream body = await response.Content.ReadAsStreamAsync(cancellationToken);
            byte[] start = new byte[4096];
            int length = await body.ReadAtLeastAsync(start, start.Length, throwOnEndOfStream: false, cancellationToken);
            words = System.Text.Encoding.UTF8.GetString(start, 0, length);
        }
        catch (IOException)
        {
            // The status alone will do.
        }

        bool isTooLong = words.Contains("context length", StringComparison.OrdinalIgnoreCase) || words.Contains("context size", StringComparison.OrdinalIgnoreCase)
            || words.Contains("context_length", StringComparison.OrdinalIgnoreCase) || words.Contains("exceed_context", StringComparison.OrdinalIgnoreCase);
        return (int)response.StatusCode switch
        {
            400 or 413 or 422 when isTooLong => new EngineException(EngineErrorCode.ContextLengthExceeded, "the prompt does not fit into the model's context"),
            400 or 422 => new EngineException(EngineErrorCode.InvalidRequest, "the upstream server refused the request as malformed"),
            401 or 403 => new EngineException(EngineErrorCode.Unavailable, "the upstream server wants another API key"),
            404 => new EngineException(EngineErrorCode.Unavailable, "the upstream server no longer has the model or the endpoint"),
            429 => new EngineException(EngineErrorCode.Overloaded, "the upstream server is busy", retryAfter: response.Headers.RetryAfter?.Delta ?? TimeSpan.FromSeconds(1)),
            var status => new EngineException(EngineErrorCode.Unavailable, $"the upstream server answered {status}"),
        };
    }
}
