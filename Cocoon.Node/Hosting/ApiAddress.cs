using System.Net;
using Cocoon.Node.Cli;

namespace Cocoon.Node.Hosting;

/// <summary>Where the OpenAI API listens, as a person types it: <c>HOST:PORT</c>, or a host alone for the usual port.</summary>
internal static class ApiAddress
{
    public const int DefaultPort = 8484;

    /// <exception cref="CliException">It is no address, or one that others reach.</exception>
    public static IPEndPoint Parse(string text)
    {
        string host = text.Replace("localhost", "127.0.0.1", StringComparison.Ordinal);

        // The parser takes a number alone for an address, and what has no port for port 0, which is one of chance.
        bool hasPort = host.StartsWith('[') ? host.Contains("]:", StringComparison.Ordinal) : host.Count(c => c == ':') == 1;
        if (host.All(char.IsAsciiDigit) || !IPEndPoint.TryParse(host, out IPEndPoint? endPoint))
        {
            throw new CliException(ExitCode.Usage, $"'{text}' is no address", null, $"Use --api 127.0.0.1:{DefaultPort}.");
        }

        return IPAddress.IsLoopback(endPoint.Address)
            ? hasPort ? endPoint : new IPEndPoint(endPoint.Address, DefaultPort)
            : throw new CliException(
                ExitCode.Usage, $"the API may not listen on {endPoint.Address}", "whoever reaches it can spend this wallet's money", "Use a loopback address; put your own authenticated proxy before it.");
    }
}
