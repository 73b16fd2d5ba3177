using System.Buffers;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Cocoon.Protocol.Ton.Toncenter;

/// <summary>One JSON-RPC call over several endpoints: time limits, size limits, back-off, and errors sorted into codes.</summary>
internal sealed class ToncenterTransport(HttpClient http, ToncenterOptions options, TimeProvider time)
{
    private readonly ToncenterOptions _options = options.Endpoints.Count > 0
        ? options
        : throw new ArgumentException("At least one endpoint is needed.", nameof(options));

    private int _preferred;

    /// <returns>The <c>result</c> of the first endpoint that answers.</returns>
    /// <exception cref="TonException">Refused by a server, or no endpoint answered in time.</exception>
    public async Task<JsonElement> CallAsync(string method, JsonObject parameters, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(_options.CallTimeout, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        TonException? last = null;
        try
        {
            for (int round = 0; round < _options.MaxRounds; round++)
            {
                if (round > 0)
                {
                    await BackOffAsync(round, linked.Token);
                }

                int first = Volatile.Read(ref _preferred);
                int refusals = 0;
                for (int i = 0; i < _options.Endpoints.Count; i++)
                {
                    int index = (first + i) % _options.Endpoints.Count;
                    try
                    {
                        JsonElement result = await ExchangeAsync(_options.Endpoints[index], method, parameters, linked.Token);
                        Volatile.Write(ref _preferred, index);
                        return result;
                    }
                    catch (TonException fault) when (IsTransient(fault.Code))
                    {
                        last = fault;
                    }
                    catch (TonException fault) when (fault.Code == TonErrorCode.Refused)
                    {
                        // Its lite-server lags, or our key is wrong there: another endpoint may know, this one will not in a moment.
                        last = fault;
                        refusals++;
                    }
                }

                if (refusals == _options.Endpoints.Count)
                {
                    throw last!;
                }
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TonException(TonErrorCode.Unreachable, $"{method}: no answer within {_options.CallTimeout.TotalSeconds:0} s", last);
        }

        throw last ?? new TonException(TonErrorCode.Unreachable, $"{method}: no endpoint answered");
    }

    /// <summary>Asks up to <paramref name="count"/> endpoints of different hosts once each, at the same time; those that fail are left out.</summary>
    public async Task<IReadOnlyList<JsonElement>> CallEachAsync(string method, JsonObject parameters, int count, CancellationToken cancellationToken)
    {
        JsonElement?[] results = await Task.WhenAll(_options.Endpoints.DistinctBy(endpoint => endpoint.Url.Authority).Take(count).Select(async endpoint =>
        {
            try
            {
                return await ExchangeAsync(endpoint, method, parameters, cancellationToken);
            }
            catch (TonException)
            {
                return (JsonElement?)null;
            }
        }));
        return [.. results.OfType<JsonElement>()];
    }

    /// <summary>Sends to every endpoint, so that one that drops messages costs nothing. One acceptance is enough.</summary>
    /// <exception cref="TonException">No endpoint took it; NotAccepted when one says that the account would not.</exception>
    public async Task SendAsync(string boc, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(_options.CallTimeout, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        TonException?[] faults = await Task.WhenAll(_options.Endpoints.Select(endpoint => TrySendAsync(endpoint, boc, linked.Token)));
        cancellationToken.ThrowIfCancellationRequested();
        if (Array.IndexOf(faults, null) < 0)
        {
            throw faults.FirstOrDefault(fault => fault!.Code == TonErrorCode.NotAccepted) ?? faults[0]!;
        }
    }

    private static bool IsTransient(TonErrorCode code) => code is TonErrorCode.Unreachable or TonErrorCode.RateLimited or TonErrorCode.Malformed;

    private static TonException Fault(HttpStatusCode status, string method, string? error)
    {
        string text = error is null ? $"{method}: HTTP {(int)status}" : $"{method}: {error[..Math.Min(error.Length, 300)]}";
        if (status == HttpStatusCode.TooManyRequests)
        {
            return new TonException(TonErrorCode.RateLimited, text);
        }

        if (method == "sendBoc" && error is not null && ExternalRefusal.IsOne(error))
        {
            return ExternalRefusal.Of(text);
        }

        // An error in the API's own envelope is an answer; a bare 5xx is a server that is down.
        return new TonException(error is null && (int)status >= 500 ? TonErrorCode.Unreachable : TonErrorCode.Refused, text);
    }

    private async Task<TonException?> TrySendAsync(ToncenterEndpoint endpoint, string boc, CancellationToken cancellationToken)
    {
        try
        {
            await ExchangeAsync(endpoint, "sendBoc", new JsonObject { ["boc"] = boc }, cancellationToken);
            return null;
        }
        catch (TonException fault)
        {
            return fault;
        }
        catch (OperationCanceledException fault)
        {
            return new TonException(TonErrorCode.Unreachable, "sendBoc: no answer in time", fault);
        }
    }

    private async Task BackOffAsync(int round, CancellationToken cancellationToken)
    {
        double factor = Math.Pow(2, round - 1) * (0.8 + (0.4 * Random.Shared.NextDouble()));
        await Task.Delay(_options.FirstBackOff * factor, time, cancellationToken);
    }

    private async Task<JsonElement> ExchangeAsync(
        ToncenterEndpoint endpoint, string method, JsonObject parameters, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(_options.RequestTimeout, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        JsonObject body = new() { ["id"] = "1", ["jsonrpc"] = "2.0", ["method"] = method, ["params"] = parameters.DeepClone() };
        using HttpRequestMessage request = new(HttpMethod.Post, RpcUrl(endpoint.Url))
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body.ToJsonString())) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
        };
        if (endpoint.ApiKey is { Length: > 0 } key)
        {
            request.Headers.Add("X-API-Key", key);
        }

        try
        {
            using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, linked.Token);
            byte[] bytes = await ReadBoundedAsync(response, linked.Token);
            return Unwrap(response.StatusCode, method, bytes);
        }
        catch (HttpRequestException fault)
        {
            throw new TonException(TonErrorCode.Unreachable, $"{method}: {endpoint.Url.Host} cannot be reached", fault);
        }
        catch (IOException fault)
        {
            throw new TonException(TonErrorCode.Unreachable, $"{method}: {endpoint.Url.Host} broke off its answer", fault);
        }
        catch (OperationCanceledException fault) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TonException(TonErrorCode.Unreachable, $"{method}: {endpoint.Url.Host} did not answer within {_options.RequestTimeout.TotalSeconds:0} s", fault);
        }
    }

    private static Uri RpcUrl(Uri url)
    {
        string text = url.ToString();
        return text.EndsWith("/jsonRPC", StringComparison.OrdinalIgnoreCase) ? url : new Uri(text.TrimEnd('/') + "/jsonRPC");
    }

    private static JsonElement Unwrap(HttpStatusCode status, string method, byte[] bytes)
    {
        JsonElement root;
        try
        {
            using JsonDocument document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 128 });
            root = document.RootElement.Clone();
        }
        catch (JsonException fault)
        {
            throw status == HttpStatusCode.OK
                ? new TonException(TonErrorCode.Malformed, $"{method}: the answer is not JSON", fault)
                : Fault(status, method, null);
        }

        bool isObject = root.ValueKind == JsonValueKind.Object;
        if (status == HttpStatusCode.OK && isObject && root.TryGetProperty("ok", out JsonElement ok) && ok.ValueKind == JsonValueKind.True
            && root.TryGetProperty("result", out JsonElement result))
        {
            return result;
        }

        string? error = isObject && root.TryGetProperty("error", out JsonElement text) && text.ValueKind == JsonValueKind.String ? text.GetString() : null;
        throw status == HttpStatusCode.OK && error is null
            ? new TonException(TonErrorCode.Malformed, $"{method}: the answer is not in the API's envelope")
            : Fault(status, method, error);
    }

    private async Task<byte[]> ReadBoundedAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.Content.Headers.ContentLength > _options.MaxResponseBytes)
        {
            throw TonException.TooLarge($"answer of {response.Content.Headers.ContentLength} bytes");
        }

        await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        ArrayBufferWriter<byte> buffer = new(16 * 1024);
        while (true)
        {
            int read = await stream.ReadAsync(buffer.GetMemory(16 * 1024), cancellationToken);
            if (read == 0)
            {
                return buffer.WrittenSpan.ToArray();
            }

            buffer.Advance(read);
            if (buffer.WrittenCount > _options.MaxResponseBytes)
            {
                throw TonException.TooLarge($"answer of more than {_options.MaxResponseBytes} bytes");
            }
        }
    }
}
