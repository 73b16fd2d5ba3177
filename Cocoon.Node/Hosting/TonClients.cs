using System.Security.Cryptography;
using Cocoon.Node.Payments;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.LiteClient;
using Cocoon.Protocol.Ton.Toncenter;

namespace Cocoon.Node.Hosting;

/// <summary>The way to the chain that a network profile describes: HTTP alone, or lite-servers with HTTP beside them.</summary>
internal static class TonClients
{
    /// <summary>Asked at a time; more cost traffic and no party gains weight.</summary>
    private const int MaxServers = 5;

    private const int Quorum = 3;

    /// <summary>A lite-server answers in well under a second; the rest of the five cover for a slow one.</summary>
    private static readonly TimeSpan s_queryTimeout = TimeSpan.FromSeconds(4);

    public static ITonClient Create(NetworkProfile profile, HttpClient http, TimeProvider time, ITrustedBlocks memory)
    {
        ToncenterClient api = Api(profile, http, time);
        return OfNetwork(profile, profile.Lite is { } lite ? new CombinedTonClient(new LiteTonClient(Options(lite), time, memory), api) : api);
    }

    /// <summary>By HTTP alone.</summary>
    public static ITonClient CreateHttp(NetworkProfile profile, HttpClient http, TimeProvider time) => OfNetwork(profile, Api(profile, http, time));

    private static SameNetworkClient OfNetwork(NetworkProfile profile, ITonClient client) => new(client, new TonNetwork(profile.Name, profile.GlobalId));

    private static ToncenterClient Api(NetworkProfile profile, HttpClient http, TimeProvider time)
    {
        string? keys = Environment.GetEnvironmentVariable("COCOON_TON_API_KEY");
        return new ToncenterClient(http, new ToncenterOptions { Endpoints = [.. profile.Endpoints.Select(e => new ToncenterEndpoint(e, KeyFor(e, keys)))] }, time);
    }

    /// <summary>An endpoint's API key out of <c>COCOON_TON_API_KEY</c>: <c>host=key</c> pairs separated by commas, or one key for toncenter.com alone.</summary>
    /// <remarks>No host gets another's key, and none travels in the clear beyond this machine.</remarks>
    internal static string? KeyFor(Uri endpoint, string? keys)
    {
        if (endpoint.Scheme != Uri.UriSchemeHttps && !endpoint.IsLoopback)
        {
            return null;
        }

        foreach (string entry in (keys ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            int equals = entry.IndexOf('=', StringComparison.Ordinal);
            string host = equals > 0 ? entry[..equals] : "toncenter.com";
            if (endpoint.Host.Equals(host, StringComparison.OrdinalIgnoreCase) || endpoint.Host.EndsWith("." + host, StringComparison.OrdinalIgnoreCase))
            {
                return entry[(equals + 1)..];
            }
        }

        return null;
    }

    /// <summary>The file that <c>--ton-config</c> names.</summary>
    /// <exception cref="PaymentException">Cannot be read, or is no global configuration.</exception>
    public static GlobalConfig ReadConfig(string path)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            if (file.Length > GlobalConfig.MaxBytes)
            {
                throw TonException.TooLarge($"{file.Length} bytes");
            }

            byte[] content = new byte[file.Length];
            file.ReadExactly(content);
            return GlobalConfig.Parse(content);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or TonException)
        {
            throw new PaymentException(PaymentErrorCode.Chain, $"The TON configuration {path} cannot be used: {fault.Message}");
        }
    }

    /// <summary>A few of the servers, drawn by chance, so that not all nodes lean on the same ones.</summary>
    private static LiteTonOptions Options(GlobalConfig config)
    {
        LiteServerEndpoint[] servers = [.. config.Servers.DistinctBy(server => server.Key)];
        RandomNumberGenerator.Shuffle<LiteServerEndpoint>(servers);
        servers = servers[..Math.Min(servers.Length, MaxServers)];
        return new LiteTonOptions
        {
            Servers = servers,
            Quorum = Math.Min(Quorum, servers.Length),
            Anchor = config.Anchor,
            QueryTimeout = s_queryTimeout,
        };
    }
}
