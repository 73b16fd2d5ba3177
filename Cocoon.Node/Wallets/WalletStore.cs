using System.Security.Cryptography;
using System.Text;
using Cocoon.Node.Payments;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Wallets;

namespace Cocoon.Node.Wallets;

/// <summary>The node's one wallet in <c>wallet.json</c> of its data directory: mode 0600, replaced as a whole and durably.</summary>
internal sealed class WalletStore(DataDirectory directory, TimeProvider time)
{
    public const string FileName = "wallet.json";

    private const int MaxBytes = 16 * 1024;

    public bool Exists => File.Exists(Path);

    private string Path => directory.File(FileName);

    /// <summary>Makes a wallet from fresh words. The caller shows them once.</summary>
    /// <exception cref="PaymentException">There is a wallet already.</exception>
    public (WalletKey Wallet, Mnemonic Words) Create(NetworkProfile network, string? passphrase)
    {
        Mnemonic words = Mnemonic.Generate();
        return (Save(network, words, passphrase), words);
    }

    /// <exception cref="PaymentException">There is a wallet already, or these are not 24 valid words.</exception>
    public WalletKey Import(NetworkProfile network, string words, string? passphrase) =>
        Mnemonic.TryParse(words, out Mnemonic? mnemonic)
            ? Save(network, mnemonic, passphrase)
            : throw new PaymentException(PaymentErrorCode.Wallet, "These are not 24 words of a TON wallet (a word is unknown, or the check fails).");

    /// <exception cref="PaymentException">No wallet, a wallet of another network, or a wrong passphrase.</exception>
    /// <exception cref="StorageException">The file can be read by others, or is not a wallet file.</exception>
    public WalletKey Open(NetworkProfile network, string? passphrase)
    {
        WalletFile file = Describe() ?? throw new PaymentException(PaymentErrorCode.Wallet, $"There is no wallet in {directory.Path} yet: run cocoon wallet new --network {network.Name} --data {directory.Path}");
        if (!string.Equals(file.Network, network.Name, StringComparison.Ordinal))
        {
            throw new PaymentException(PaymentErrorCode.Wallet, $"The wallet in {directory.Path} is for {file.Network}, not {network.Name}: use another --data directory.");
        }

        Mnemonic words = Reveal(file, passphrase);
        WalletKey wallet = new(words.DeriveKey(), network.GlobalId);
        return wallet.Address.ToString() == file.Address
            ? wallet
            : throw new StorageException(StorageErrorCode.Corrupt, $"The words in {Path} give another address than it says.");
    }

    /// <summary>The words again, for <c>cocoon wallet backup</c>; marks the wallet as backed up.</summary>
    /// <exception cref="PaymentException">No wallet, or a wrong passphrase.</exception>
    public string Backup(string? passphrase)
    {
        WalletFile file = Describe() ?? throw new PaymentException(PaymentErrorCode.Wallet, $"There is no wallet in {directory.Path} yet: run cocoon wallet new --data {directory.Path}");
        Mnemonic words = Reveal(file, passphrase);
        PrivateFile.Write(Path, (file with { BackedUp = true }).ToJson());
        return words.RevealWords();
    }

    /// <summary>Network, address and protection, without the passphrase; <c>null</c> when there is no wallet.</summary>
    /// <exception cref="StorageException">The file can be read by others, or is not a wallet file.</exception>
    public WalletFile? Describe() => !Exists
        ? null
        : WalletFile.Parse(PrivateFile.Read(Path, MaxBytes))
            ?? throw new StorageException(StorageErrorCode.Corrupt, $"{Path} is not a wallet file of this version.");

    private static Mnemonic Reveal(WalletFile file, string? passphrase)
    {
        using SecretBytes secret = file.Open(passphrase)
            ?? throw new PaymentException(
                PaymentErrorCode.Wallet,
                string.IsNullOrEmpty(passphrase) ? "The wallet is protected by a passphrase: name a file that holds it with --passphrase-file, or set COCOON_WALLET_PASSPHRASE." : "The passphrase is wrong, or the file was changed.");
        return Mnemonic.TryParse(Encoding.UTF8.GetString(secret.Span), out Mnemonic? words)
            ? words
            : throw new StorageException(StorageErrorCode.Corrupt, "The wallet file does not hold 24 valid words.");
    }

    private WalletKey Save(NetworkProfile network, Mnemonic words, string? passphrase)
    {
        if (Exists)
        {
            throw new PaymentException(PaymentErrorCode.Wallet, $"There is a wallet in {directory.Path} already; it is never replaced. Use another --data directory.");
        }

        WalletKey wallet = new(words.DeriveKey(), network.GlobalId);
        byte[] secret = Encoding.UTF8.GetBytes(words.RevealWords());
        PrivateFile.Write(Path, WalletFile.Seal(network.Name, wallet.Address.ToString(), secret, passphrase, time.GetUtcNow()).ToJson());
        CryptographicOperations.ZeroMemory(secret);
        return wallet;
    }
}
