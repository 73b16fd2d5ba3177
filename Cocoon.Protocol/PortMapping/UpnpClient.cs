using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security;
using System.Security.Cryptography;
using System.Text;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.PortMapping;

/// <summary>Asks a UPnP gateway device: found by SSDP, described in XML, driven by SOAP (WANIPConnection:1, sections 2.4.16 to 2.4.18).</summary>
internal sealed class UpnpClient : IPortMappingClient, IDisposable
{
    /// <summary>AddPortMapping's errors.</summary>
    private const string ConflictInMapping = "718", OnlyPermanentLeases = "725";

    private const int FirstPort = 1024, PortsEnd = 65536;

    private readonly SsdpSearch _search;
    private readonly PortMappingLimits _limits;
    private readonly HttpClient _http;
    private UpnpService? _service;

    public UpnpClient(IPEndPoint group, PortMappingLimits limits, TimeProvider time)
    {
        _search = new SsdpSearch(group, limits, time);
        _limits = limits;
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false, UseCookies = false, MaxResponseHeadersLength = 16 })
        {
            Timeout = limits.HttpTimeout,
            MaxResponseContentBufferSize = limits.MaxHttpBytes,
        };
    }

    public PortMappingProtocol Protocol => PortMappingProtocol.Upnp;

    public async Task<MappedPort> MapAsync(IPEndPoint inside, int suggested, CancellationToken cancellationToken)
    {
        UpnpService service = _service ??= await FindAsync(inside.Address, cancellationToken);
        try
        {
            IPAddress outer = await ExternalAddressAsync(service, cancellationToken);
            return await AddAsync(service, inside, suggested, outer, cancellationToken);
        }
        catch (PortMappingException)
        {
            // The device may have restarted elsewhere: the next attempt searches anew.
            _service = null;
            throw;
        }
    }

    public async Task UnmapAsync(MappedPort mapping, CancellationToken cancellationToken)
    {
        if (_service is { } service)
        {
            await CallAsync(
                service,
                "DeletePortMapping",
                [("NewRemoteHost", ""), ("NewExternalPort", Text(mapping.External.Port)), ("NewProtocol", "TCP")],
                cancellationToken);
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<UpnpService> FindAsync(IPAddress local, CancellationToken cancellationToken)
    {
        foreach (Uri description in await _search.FindAsync(local, cancellationToken))
        {
            if (IPAddress.TryParse(description.Host, out IPAddress? host) && IpScopes.Of(host) is IpScope.Private or IpScope.Loopback)
            {
                using HttpRequestMessage request = new(HttpMethod.Get, description);
                (HttpStatusCode status, byte[] body) = await SendAsync(request, cancellationToken);
                if (status == HttpStatusCode.OK && UpnpDescription.FindService(body, description) is { } service)
                {
                    return service;
                }
            }
        }

        throw new PortMappingException("No UPnP gateway answers.");
    }

    private async Task<IPAddress> ExternalAddressAsync(UpnpService service, CancellationToken cancellationToken)
    {
        IReadOnlyDictionary<string, string> fields = await CallAsync(service, "GetExternalIPAddress", [], cancellationToken);
        return fields.TryGetValue("NewExternalIPAddress", out string? text) && IPAddress.TryParse(text, out IPAddress? address)
            ? address
            : throw new PortMappingException("The UPnP gateway does not tell its outer address.");
    }

    private async Task<MappedPort> AddAsync(UpnpService service, IPEndPoint inside, int suggested, IPAddress outer, CancellationToken cancellationToken)
    {
        int port = suggested;
        TimeSpan? lease = _limits.Lifetime;
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                await CallAsync(
                    service,
                    "AddPortMapping",
                    [
                        ("NewRemoteHost", ""),
                        ("NewExternalPort", Text(port)),
                        ("NewProtocol", "TCP"),
                        ("NewInternalPort", Text(inside.Port)),
                        ("NewInternalClient", inside.Address.ToString()),
                        ("NewEnabled", "1"),
                        ("NewPortMappingDescription", "cocoon"),
                        ("NewLeaseDuration", Text((int)(lease?.TotalSeconds ?? 0))),
                    ],
                    cancellationToken);
                return new MappedPort(Protocol, inside, new IPEndPoint(outer, port), lease);
            }
            catch (UpnpFault fault) when (fault.Code == OnlyPermanentLeases && lease is not null)
            {
                lease = null;
            }
            catch (UpnpFault fault) when (fault.Code == ConflictInMapping && attempt + 1 < _limits.PortAttempts)
            {
                port = RandomNumberGenerator.GetInt32(FirstPort, PortsEnd);
            }
            catch (UpnpFault fault)
            {
                throw new PortMappingException($"The UPnP gateway refused: {fault.Message}", fault);
            }
        }
    }

    /// <exception cref="UpnpFault">The device answered with an error.</exception>
    private async Task<IReadOnlyDictionary<string, string>> CallAsync(
        UpnpService service, string action, IReadOnlyList<(string Name, string Value)> arguments, CancellationToken cancellationToken)
    {
        StringBuilder body = new();
        body.Append("<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>")
            .Append(CultureInfo.InvariantCulture, $"<u:{action} xmlns:u=\"{service.Type}\">");
        foreach ((string name, string value) in arguments)
        {
            body.Append(CultureInfo.InvariantCulture, $"<{name}>{SecurityElement.Escape(value)}</{name}>");
        }

        body.Append(CultureInfo.InvariantCulture, $"</u:{action}></s:Body></s:Envelope>");
        using HttpRequestMessage request = new(HttpMethod.Post, service.Control) { Content = new StringContent(body.ToString(), Encoding.UTF8) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("text/xml", "utf-8");
        request.Headers.Add("SOAPAction", $"\"{service.Type}#{action}\"");
        (HttpStatusCode status, byte[] answer) = await SendAsync(request, cancellationToken);
        IReadOnlyDictionary<string, string>? fields = UpnpDescription.ReadFields(answer);
        if (status == HttpStatusCode.OK && fields is not null && fields.Keys.Any(k => k == action + "Response" || k == $"/{action}Response"))
        {
            return fields;
        }

        string code = fields?.GetValueOrDefault("errorCode") ?? $"HTTP {(int)status}";
        throw new UpnpFault(code, $"{action}: {code} {fields?.GetValueOrDefault("errorDescription")}".TrimEnd());
    }

    private async Task<(HttpStatusCode Status, byte[] Body)> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            using HttpResponseMessage response = await _http.SendAsync(request, cancellationToken);
            return (response.StatusCode, await response.Content.ReadAsByteArrayAsync(cancellationToken));
        }
        catch (Exception exception) when (exception is HttpRequestException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new PortMappingException($"The UPnP gateway does not answer: {exception.Message}", exception);
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private sealed class UpnpFault(string code, string message) : IOException(message)
    {
        public string Code { get; } = code;
    }
}
