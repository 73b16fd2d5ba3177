using Cocoon.Node.Payments;
using Cocoon.Node.Wallets;

namespace Cocoon.Node.Hosting;

/// <summary>Unlocks the node's wallet. On devnet, where money is free, a missing one is made on the spot.</summary>
internal static class WalletOpening
{
    private const string PassphraseVariable = "COCOON_WALLET_PASSPHRASE";

    public static WalletKey Open(WalletStore store, NetworkProfile network, NodeOptions options)
    {
        string? passphrase = Passphrase(options.PassphraseFile);
        return !store.Exists && network.Name == Networks.Devnet.Name ? store.Create(network, passphrase).Wallet : store.Open(network, passphrase);
    }

    /// <summary>From the file, else from the environment; <c>null</c> when neither is there.</summary>
    public static string? Passphrase(string? file)
    {
        string? text = file is null ? Environment.GetEnvironmentVariable(PassphraseVariable) : File.ReadAllText(file).TrimEnd('\r', '\n');
        return string.IsNullOrEmpty(text) ? null : text;
    }
}
