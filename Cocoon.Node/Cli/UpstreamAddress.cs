using System.Net;

namespace Cocoon.Node.Cli;

/// <summary>The value of <c>--upstream</c>.</summary>
internal static class UpstreamAddress
{
    public const string KeyVariable = "COCOON_UPSTREAM_KEY";

    /// <summary>Plain HTTP on loopback only: prompts would leave the machine in the clear otherwise. A trailing <c>/v1</c> is dropped.</summary>
    /// <exception cref="CliException">Anything else.</exception>
    public static Uri Read(string text)
    {
        bool isLocal = Uri.TryCreate(text, UriKind.Absolute, out Uri? uri)
            && uri.Scheme == Uri.UriSchemeHttp
            && (uri.DnsSafeHost == "localhost" || (IPAddress.TryParse(uri.DnsSafeHost, out IPAddress? address) && IPAddress.IsLoopback(address)))
            && uri.AbsolutePath is "/" or "/v1" or "/v1/";
        return isLocal
            ? new UriBuilder(uri!.Scheme, uri.DnsSafeHost, uri.Port).Uri
            : throw new CliException(
                ExitCode.Usage, $"{text} is no upstream server for this node", "its prompts would reach another machine in the clear",
                "Give http://127.0.0.1:PORT of a server on this machine.");
    }
}
