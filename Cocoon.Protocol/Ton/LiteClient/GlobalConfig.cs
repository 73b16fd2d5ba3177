using System.Buffers.Binary;
using System.Net;
using System.Text.Json;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.LiteClient;

/// <summary>A network's public configuration file (<c>global.config.json</c>): its lite-servers, and a block to start trusting from.</summary>
/// <param name="Anchor">The newest of <c>init_block</c> and <c>hardforks</c>; <c>null</c> when that is the zero state, which carries no key block.</param>
internal sealed record GlobalConfig(IReadOnlyList<LiteServerEndpoint> Servers, BlockId? Anchor)
{
    /// <summary>Mainnet's file has about 30 KiB.</summary>
    public const int MaxBytes = 1024 * 1024;

    private const int MaxServers = 256;

    /// <exception cref="TonException">Malformed: not JSON, no lite-server, or a server without address or key.</exception>
    public static GlobalConfig Parse(ReadOnlyMemory<byte> json)
    {
        if (json.Length > MaxBytes)
        {
            throw TonException.TooLarge($"global configuration of {json.Length} bytes");
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            JsonElement servers = document.RootElement.GetProperty("liteservers");
            if (servers.GetArrayLength() is 0 or > MaxServers)
            {
                throw TonException.Malformed($"global configuration with {servers.GetArrayLength()} lite-servers");
            }

            return new GlobalConfig([.. servers.EnumerateArray().Select(ReadServer)], ReadAnchor(document.RootElement));
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or OverflowException or ArgumentException)
        {
            throw new TonException(TonErrorCode.Malformed, $"not a TON global configuration: {fault.Message}", fault);
        }
    }

    private static LiteServerEndpoint ReadServer(JsonElement server)
    {
        // The address is a signed number, highest byte first.
        byte[] ip = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(ip, unchecked((int)server.GetProperty("ip").GetInt64()));
        int port = server.GetProperty("port").GetInt32();
        return port is > 0 and <= 65535
            ? new LiteServerEndpoint(new IPAddress(ip).ToString(), port, new Ed25519PublicKey(server.GetProperty("id").GetProperty("key").GetBytesFromBase64()))
            : throw TonException.Malformed($"lite-server with port {port}");
    }

    private static BlockId? ReadAnchor(JsonElement root)
    {
        if (!root.TryGetProperty("validator", out JsonElement validator) || !validator.TryGetProperty("init_block", out JsonElement initial))
        {
            return null;
        }

        BlockId newest = ReadBlock(initial);
        if (validator.TryGetProperty("hardforks", out JsonElement forks))
        {
            foreach (BlockId fork in forks.EnumerateArray().Select(ReadBlock))
            {
                newest = fork.Seqno > newest.Seqno ? fork : newest;
            }
        }

        return newest.Seqno > 0 ? newest : null;
    }

    private static BlockId ReadBlock(JsonElement block)
    {
        BlockId id = new(
            block.GetProperty("workchain").GetInt32(),
            unchecked((ulong)block.GetProperty("shard").GetInt64()),
            block.GetProperty("seqno").GetUInt32(),
            new CellHash(block.GetProperty("root_hash").GetBytesFromBase64()),
            new CellHash(block.GetProperty("file_hash").GetBytesFromBase64()));
        return id is { Workchain: BlockId.Masterchain, Shard: BlockId.WholeShard } ? id : throw TonException.Malformed($"the trusted block {id} is not of the masterchain");
    }
}
