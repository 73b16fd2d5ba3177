using System.Text.Json.Nodes;
using Cocoon.Node.Hosting;
using Cocoon.Node.Payments;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Ton.Wallets;
using Cocoon.Tests.Node.Storage;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>A wallet by the command line without a node: made, shown, backed up, taken over elsewhere; and real money only after a word for it.</summary>
public sealed class WalletCommandTests
{
    [Test, CancelAfter(60_000)]
    public async Task Wallet_MadeBackedUpAndImportedElsewhere_IsTheSameAndItsWordsAreShownOnce(CancellationToken cancellationToken)
    {
        using TemporaryDirectory directory = new();
        string first = directory.File("first"), second = directory.File("second"), passphrase = directory.File("passphrase");
        await File.WriteAllTextAsync(passphrase, "correct horse battery staple\n", cancellationToken);
        string[] common = ["--passphrase-file", passphrase];
        CommandResult made = await CocoonProgram.RunAsync(cancellationToken, ["wallet", "new", "--data", first, "-o", "json", .. common]);
        CommandResult again = await CocoonProgram.RunAsync(cancellationToken, ["wallet", "new", "--data", first, "-o", "json", .. common]);
        CommandResult shown = await CocoonProgram.RunAsync(cancellationToken, "wallet", "show", "--data", first, "-o", "json");
        CommandResult backup = await CocoonProgram.RunAsync(cancellationToken, ["wallet", "backup", "--data", first, .. common]);
        string words = backup.Output.Trim();
        CommandResult imported = await CocoonProgram.RunAsync(
            CocoonProgram.Launch(["wallet", "import", "--data", second, "-o", "json", .. common]), cancellationToken, words + "\n");
        CommandResult wrong = await CocoonProgram.RunAsync(
            CocoonProgram.Launch(["wallet", "import", "--data", directory.File("third"), .. common]), cancellationToken, MistypedOnce(words) + "\n");
        using (Assert.EnterMultipleScope())
        {
            Assert.That((made.ExitCode, shown.ExitCode, backup.ExitCode, imported.ExitCode), Is.EqualTo((0, 0, 0, 0)), made.Error + shown.Error + backup.Error + imported.Error);
            Assert.That(again.ExitCode, Is.Not.Zero, "a wallet is never overwritten");
            Assert.That(words.Split(' '), Has.Length.EqualTo(24));
            Assert.That(made.Error, Does.Contain(words), "the words are for a person's eyes");
            Assert.That(made.Output + shown.Output + shown.Error + again.Error, Does.Not.Contain(words));
            Assert.That(Address(imported), Is.EqualTo(Address(made)));
            Assert.That((bool)JsonNode.Parse(shown.Output)!["encrypted"]!, Is.True);
            Assert.That(wrong.ExitCode, Is.Not.Zero);
            Assert.That(OperatingSystem.IsWindows() || File.GetUnixFileMode(Path.Combine(first, "wallet.json")) == (UnixFileMode.UserRead | UnixFileMode.UserWrite), "mode 0600");
            Assert.That(await File.ReadAllTextAsync(Path.Combine(first, "wallet.json"), cancellationToken), Does.Not.Contain(words.Split(' ')[0] + " "), "encrypted on the disk");
        }
    }

    /// <summary>One word is another of the list. The check of the words is one byte: a mistake in 256 passes it.</summary>
    private static string MistypedOnce(string words) => ((string[])["zoo", "zone", "zero", "zebra"])
        .Select(word => string.Join(' ', [word, .. words.Split(' ').Skip(1)])).First(mistyped => mistyped != words && !Mnemonic.TryParse(mistyped, out _));

    [Test, CancelAfter(60_000)]
    public async Task Mainnet_WithoutTheOwnersWord_IsRefusedWithTheLimits(CancellationToken cancellationToken)
    {
        using TemporaryDirectory directory = new();
        CommandResult refused = await CocoonProgram.RunAsync(
            cancellationToken, "client", "--network", "mainnet", "--data", directory.File("client"), "--api", "127.0.0.1:0", "--listen", "/ip4/127.0.0.1/tcp/0");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(refused.ExitCode, Is.EqualTo(6), refused.Error);
            Assert.That(
                refused.Error,
                Does.Contain("real money").And.Contain("0.1 TON per request").And.Contain("1 TON a day").And.Contain("1 TON with one provider").And.Contain("3 channels an hour").And.Contain("--confirm-mainnet"));
        }
    }

    [Test]
    public void Mainnet_ConfirmedOnce_IsConfirmedForThatDirectoryAlone()
    {
        using TemporaryDirectory folder = new();
        using (DataDirectory directory = DataDirectory.Open(folder.File("one")))
        {
            Assert.That(MainnetConfirmation.IsGiven(directory, now: false), Is.False);
            Assert.That(() => Networks.Resolve("mainnet", [], confirmed: false), Throws.InstanceOf<PaymentException>());
            Assert.That(MainnetConfirmation.IsGiven(directory, now: true), Is.True);
            Assert.That(Networks.Resolve("mainnet", [], confirmed: true).RealMoney, Is.True);
            Assert.That(Networks.Resolve("testnet", [], confirmed: false).RealMoney, Is.False);
        }

        using (DataDirectory directory = DataDirectory.Open(folder.File("one")))
        {
            Assert.That(MainnetConfirmation.IsGiven(directory, now: false), Is.True);
        }

        Assert.That(MainnetConfirmation.IsGiven(folder.File("two")), Is.False);
    }

    private static string Address(CommandResult result) => (string)JsonNode.Parse(result.Output)!["address"]!;
}
