using System.Text;
using Cocoon.Node.Cli;
using Cocoon.Node.Payments;
using Cocoon.Node.Wallets;

namespace Cocoon.Node.Hosting;

/// <summary>Unlocks the node's wallet. On devnet, where money is free, a missing one is made on the spot.</summary>
internal static partial class WalletOpening
{
    private const string PassphraseVariable = "COCOON_WALLET_PASSPHRASE";
    private const int MaxPassphraseBytes = 4_096;

    /// <remarks>Whoever names a passphrase for a wallet that has none is told: he believes that it is protected.</remarks>
    public static WalletKey Open(WalletStore store, NetworkProfile network, NodeOptions options, ILogger logger)
    {
        string? passphrase = Passphrase(options.PassphraseFile);
        if (!store.Exists && network.Name == Networks.Devnet.Name)
        {
            return store.Create(network, passphrase).Wallet;
        }

        WalletKey wallet = store.Open(network, passphrase);
        if (passphrase is not null && store.Describe() is { IsEncrypted: false })
        {
            Log.InTheClear(logger, WalletStore.FileName);
        }

        return wallet;
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

    private static partial class Log
    {
        [LoggerMessage(2341, LogLevel.Warning, "A passphrase was given, but {File} is not encrypted: whoever reads it has the money. Make a wallet with a passphrase in another data directory and send the money there")]
        public static partial void InTheClear(ILogger logger, string file);
    }
}
