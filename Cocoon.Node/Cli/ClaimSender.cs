using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Cocoon.Node.Control;
using Cocoon.Node.Payments;
using Cocoon.Node.Storage;
using Cocoon.Node.Wallets;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Sending;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cocoon.Node.Cli;

/// <summary>
/// The wallet of a data directory, for a command that sends from time to time: through the node that runs there, so that one external is in
/// flight per wallet, or opened and held.
/// </summary>
internal sealed class ClaimSender : IAsyncDisposable
{
    private readonly ControlClient? _node;
    private readonly DataDirectory? _directory;
    private readonly CocoonDatabase? _database;
    private readonly WalletAccount? _wallet;

    private ClaimSender(ControlClient node) => _node = node;

    private ClaimSender(DataDirectory directory, CocoonDatabase database, WalletAccount wallet) => (_directory, _database, _wallet) = (directory, database, wallet);

    public static ClaimSender Through(ControlClient node) => new(node);

    /// <exception cref="StorageException">The directory is in use or not ours.</exception>
    /// <exception cref="PaymentException">There is no wallet, or the passphrase is wrong.</exception>
    public static ClaimSender Open(string path, string? passphrase, NetworkProfile profile, ITonClient client)
    {
        DataDirectory directory = DataDirectory.Open(path);
        try
        {
            WalletKey key = new WalletStore(directory, TimeProvider.System).Open(profile, passphrase);
            CocoonDatabase database = CocoonDatabase.Open(directory.DatabasePath);
            WalletAccount wallet = new(
                key, client, new SqliteOutboxStore(database), new WalletSenderOptions(), TimeProvider.System, NullLogger<WalletAccount>.Instance);
            wallet.Start();
            return new ClaimSender(directory, database, wallet);
        }
        catch
        {
            directory.Dispose();
            throw;
        }
    }

    /// <summary>What became of each intention, in words.</summary>
    public async Task<IReadOnlyList<string>> SendAsync(IReadOnlyList<PaymentIntent> claims, CancellationToken cancellationToken) => _node is null
        ? [.. (await _wallet!.SendAsync(claims, cancellationToken)).Select(outcome => outcome.Words)]
        : await PostAsync(_node, claims, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        _node?.Dispose();
        if (_wallet is not null)
        {
            await _wallet.DisposeAsync();
            await _database!.DisposeAsync();
            _directory!.Dispose();
        }
    }

    /// <remarks>The same claims have the same name, so that a node that was asked before does not send them twice.</remarks>
    private static async Task<IReadOnlyList<string>> PostAsync(ControlClient node, IReadOnlyList<PaymentIntent> claims, CancellationToken cancellationToken)
    {
        byte[] digest = SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', claims.Select(c => c.Name))));
        JsonObject outcome = await node.PostAsync(
            "/control/wallet/messages",
            new JsonObject
            {
                ["name"] = $"watchtower-{Convert.ToHexStringLower(digest)}",
                ["action"] = $"claim from {claims.Count} channels for their provider",
                ["messages"] = new JsonArray([.. claims.Select(c => JsonValue.Create(Convert.ToBase64String(BocWriter.Write(c.Message.ToCell()))))]),
            },
            cancellationToken);
        return [.. outcome["each_words"]!.AsArray().Select(words => (string)words!)];
    }
}
