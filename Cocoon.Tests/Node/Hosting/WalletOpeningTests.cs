using Cocoon.Node.Hosting;
using Cocoon.Node.Payments;
using Cocoon.Node.Storage;
using Cocoon.Node.Wallets;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Hosting;

public sealed class WalletOpeningTests
{
    [TestCase(null, "word", true), TestCase("word", "word", false), TestCase(null, null, false)]
    public void Open_PassphraseForAWalletInTheClear_Warns(string? made, string? given, bool warns)
    {
        using TemporaryDirectory folder = new();
        using DataDirectory directory = DataDirectory.Open(folder.File("node"));
        WalletStore store = new(directory, TimeProvider.System);
        store.Create(Networks.Devnet, made).Wallet.Dispose();
        File.WriteAllText(folder.File("passphrase"), given ?? "");
        NodeOptions options = new() { Role = NodeRole.Client, DataDirectory = directory.Path, Network = Networks.Devnet.Name, PassphraseFile = given is null ? null : folder.File("passphrase") };
        RecordingLogger<WalletStore> logger = new();
        WalletOpening.Open(store, Networks.Devnet, options, logger).Dispose();
        Assert.That(logger.Entries, warns ? Has.One.Contains("not encrypted") : Is.Empty);
    }
}
