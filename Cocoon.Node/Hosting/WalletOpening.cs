using System.Text;
using Cocoon.Node.Cli;
using Cocoon.Node.Payments;
using Cocoon.Node.Wallets;

namespace Cocoon.Node.Hosting;

/// <summary>Unlocks the node's wallet. On devnet, where money is free, a missing one is made on the spot.</summary>
internal static class WalletOpening
{
    private const string PassphraseVariable = "COCOON_WALLET_PASSPHRASE";
    private const int MaxPassphraseBytes = 4_096;

    public static WalletKey Open(WalletStore store, NetworkProfile network, NodeOptions options)
    {
        string? passphrase = Passphrase(options.PassphraseFile);
        return !store.Exists && network.Name == Networks.Devnet.Name ? store.Create(network, passphrase).Wallet : store.Open(network, passphrase);
    }

    /// <summary>From the file, else from the environment; <c>null</c> when neither is named.</summary>
    /// <exception cref="CliException">The file cannot be read, or what was named is empty: whoever asked for protection must not get none.</exception>
    public static string? Passphrase(string? file)
    {
        string? text = file is null ? Environment.GetEnvironmentVariable(PassphraseVariable) : ReadFile(file);
        return text is not { Length: 0 } ? text : throw new CliException(
            ExitCode.Usage,
            file is null ? $"${PassphraseVariable} is empty" : $"the passphrase file {file} is empty",
            "an empty passphrase protects nothing",
            file is null ? $"Put a passphrase into it, or, for a wallet without one: unset {PassphraseVariable}" : "Write a passphrase into it, or, for a wallet without one, leave --passphrase-file out.");
    }

    private static string ReadFile(string path)
    {
        using MemoryStream content = new(NamedFile.Read(path, MaxPassphraseBytes, "passphrase file"));
        using StreamReader reader = new(content, Encoding.UTF8);
        return reader.ReadToEnd().TrimEnd('\r', '\n');
    }
}
