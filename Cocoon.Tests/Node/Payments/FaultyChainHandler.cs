using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace Cocoon.Tests.Node.Payments;

/// <summary>What an endpoint can do wrong.</summary>
internal enum ChainFault
{
    None,

    /// <summary>No answer at all, until the caller gives up.</summary>
    Stall,

    /// <summary>Every answer a tenth of a second late.</summary>
    Late,

    /// <summary>Every external is delivered twice.</summary>
    Twice,

    /// <summary>Externals are refused, though they are good.</summary>
    Refuse,

    /// <summary>A page of text, an empty body, or half a document in place of an answer.</summary>
    Garbage,

    /// <summary>The external is delivered and the answer says that it was refused.</summary>
    SaysRefused,

    /// <summary>Chain time an hour behind.</summary>
    ClockBehind,

    /// <summary>Chain time two days ahead.</summary>
    ClockAhead,

    /// <summary>Every account holds a hundred times what it does.</summary>
    TooRich,

    /// <summary>Every account is empty.</summary>
    TooPoor,
}

/// <summary>A real devnet behind a faulty endpoint: requests and answers pass through here and are spoiled on the way.</summary>
internal sealed class FaultyChainHandler : DelegatingHandler
{
    private int _garbage;

    public FaultyChainHandler()
        : base(new SocketsHttpHandler())
    {
    }

    public ChainFault Fault { get; set; }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        byte[] body = request.Content is null ? [] : await request.Content.ReadAsByteArrayAsync(cancellationToken);
        bool sends = Encoding.UTF8.GetString(body).Contains("\"sendBoc", StringComparison.Ordinal);
        switch (Fault)
        {
            case ChainFault.Stall:
                await Task.Delay(Timeout.Infinite, cancellationToken);
                break;
            case ChainFault.Late:
                using (PeriodicTimer timer = new(TimeSpan.FromMilliseconds(100)))
                {
                    await timer.WaitForNextTickAsync(cancellationToken);
                }

                break;
            case ChainFault.Twice when sends:
                (await base.SendAsync(Copy(request, body), cancellationToken)).Dispose();
                break;
            case ChainFault.Refuse when sends:
                return Refused();
            case ChainFault.SaysRefused when sends:
                (await base.SendAsync(Copy(request, body), cancellationToken)).Dispose();
                return Refused();
            case ChainFault.Garbage:
                return Answer(HttpStatusCode.OK, (++_garbage % 3) switch { 0 => "", 1 => "<html>busy</html>", _ => "{\"ok\":true,\"result\":{\"balance\":\"12" });
        }

        HttpResponseMessage response = await base.SendAsync(Copy(request, body), cancellationToken);
        return Fault is ChainFault.ClockBehind or ChainFault.ClockAhead or ChainFault.TooRich or ChainFault.TooPoor
            ? await SpoilAsync(response, cancellationToken)
            : response;
    }

    private async Task<HttpResponseMessage> SpoilAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        JsonNode document = JsonNode.Parse(await response.Content.ReadAsStringAsync(cancellationToken))!;
        if (document["result"] is JsonObject result && result["sync_utime"] is { } time)
        {
            result["sync_utime"] = time.GetValue<long>() + (Fault switch { ChainFault.ClockBehind => -3_600, ChainFault.ClockAhead => 2 * 86_400, _ => 0 });
            ulong balance = ulong.Parse((string)result["balance"]!, System.Globalization.CultureInfo.InvariantCulture);
            ulong told = Fault switch { ChainFault.TooRich => balance * 100, ChainFault.TooPoor => 0UL, _ => balance };
            result["balance"] = told.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        return Answer(response.StatusCode, document.ToJsonString());
    }

    private static HttpResponseMessage Refused() => Answer(
        HttpStatusCode.InternalServerError, "{\"ok\":false,\"error\":\"LITE_SERVER_UNKNOWN: cannot apply external message to current state : External message was not accepted\",\"code\":500}");

    private static HttpResponseMessage Answer(HttpStatusCode status, string text) => new(status) { Content = new StringContent(text, Encoding.UTF8, "application/json") };

    private static HttpRequestMessage Copy(HttpRequestMessage request, byte[] body)
    {
        HttpRequestMessage copy = new(request.Method, request.RequestUri);
        if (request.Content is not null)
        {
            copy.Content = new ByteArrayContent(body);
            copy.Content.Headers.ContentType = request.Content.Headers.ContentType;
        }

        return copy;
    }
}
