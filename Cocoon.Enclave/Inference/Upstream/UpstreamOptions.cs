using System.Net;

namespace Cocoon.Enclave.Inference.Upstream;

/// <summary>An OpenAI-compatible server on this machine, and what of it is offered.</summary>
internal sealed class UpstreamOptions
{
    /// <summary><c>http://</c> and a loopback address, without the <c>/v1</c>.</summary>
    public required Uri Endpoint { get; init; }

    /// <summary>The server's name for the model; <c>null</c> takes its only one.</summary>
    public string? Model { get; init; }

    /// <summary>Name in offers; the server's own when <c>null</c>.</summary>
    public string? OfferedName { get; init; }

    /// <summary>Sent as bearer token when not <c>null</c>.</summary>
    public string? ApiKey { get; init; }

    /// <summary>Requests sent to the server at a time; more wait here, in order.</summary>
    public int Slots { get; init; } = 8;

    /// <summary>Tokens of prompt and answer; 0 takes what the server says, 4,096 when it says nothing.</summary>
    public int ContextTokens { get; init; }

    /// <summary>Requests that may wait before <see cref="EngineErrorCode.Overloaded"/>.</summary>
    public int QueueLimit { get; init; } = 64;

    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>To the first byte of an answer: a long prompt on a busy server takes its time.</summary>
    public TimeSpan FirstByteTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Between two bytes of an answer.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Where to connect.</summary>
    /// <exception cref="EngineException">Not plain HTTP to a loopback address: a prompt would leave the machine in the clear.</exception>
    public IPEndPoint Address()
    {
        string host = Endpoint.IsAbsoluteUri ? Endpoint.DnsSafeHost : "";
        IPAddress? address = host == "localhost" ? IPAddress.Loopback : IPAddress.TryParse(host, out IPAddress? parsed) ? parsed : null;
        return Endpoint.IsAbsoluteUri && Endpoint.Scheme == Uri.UriSchemeHttp && address is not null && IPAddress.IsLoopback(address)
            ? new IPEndPoint(address, Endpoint.Port)
            : throw new EngineException(
                EngineErrorCode.InvalidRequest, "an upstream server must be at http:// and a loopback address (127.0.0.1 or ::1): prompts reach it in the clear");
    }
}
