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

    /// <summary>Whoever asked for protection must not get a wallet without.</summary>
    [TestCase("", false, 2, "is empty"), TestCase("\n\r\n", false, 2, "is empty"), TestCase(null, false, 4, "there is no passphrase file"), TestCase(null, true, 2, "cannot be read")]
    [CancelAfter(60_000)]
    public async Task Passphrase_FromAFileThatGivesNone_MakesNoWallet(string? content, bool isDirectory, int exitCode, string error, CancellationToken cancellationToken)
    {
        using TemporaryDirectory directory = new();
        string data = directory.File("wallet"), passphrase = directory.File("passphrase");
        if (isDirectory)
        {
            Directory.CreateDirectory(passphrase);
        }
        else if (content is not null)
        {
            await File.WriteAllTextAsync(passphrase, content, cancellationToken);
        }

        CommandResult made = await CocoonProgram.RunAsync(cancellationToken, "wallet", "new", "--data", data, "--passphrase-file", passphrase);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((made.ExitCode, made.Output), Is.EqualTo((exitCode, "")), made.Error);
            Assert.That(made.Error, Does.StartWith("error: ").And.Contain(error).And.Not.Contain("Exception"));
            Assert.That(File.Exists(Path.Combine(data, "wallet.json")), Is.False);
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Passphrase_FromAnEmptyVariable_MakesNoWallet(CancellationToken cancellationToken)
    {
        using TemporaryDirectory directory = new();
        System.Diagnostics.ProcessStartInfo start = CocoonProgram.Launch(["wallet", "new", "--data", directory.File("wallet")]);
        start.Environment["COCOON_WALLET_PASSPHRASE"] = "";
        CommandResult made = await CocoonProgram.RunAsync(start, cancellationToken);
        Assert.That((made.ExitCode, made.Output, File.Exists(Path.Combine(directory.File("wallet"), "wallet.json"))), Is.EqualTo((2, "", false)), made.Error);
    }

    /// <summary>Each command that reads or writes a file that a person names, with one that it may not: words and an exit code, never a stack trace.</summary>
    [TestCase("wallet", "new", "--data", "{file}/x"), TestCase("wallet", "show", "--data", "{data}")]
    [TestCase("wallet", "backup", "--data", "{data}", "--passphrase-file", "{absent}"), TestCase("client", "--data", "{data}", "--passphrase-file", "{absent}", "--ton", "http://127.0.0.1:1/api/v2")]
    [TestCase("bond", "unbond", "--data", "{data}", "--passphrase-file", "{folder}", "--ton", "http://127.0.0.1:1/api/v2"), TestCase("watchtower", "{folder}", "--ton", "http://127.0.0.1:1/api/v2", "--data", "{data}")]
    [TestCase("watchtower", "{absent}", "--ton", "http://127.0.0.1:1/api/v2", "--data", "{data}"), TestCase("up", "--config", "{folder}", "--data", "{data}"), TestCase("up", "--model", "{folder}", "--data", "{data}")]
    [TestCase("client", "--ton-config", "{folder}", "--data", "{data}"), TestCase("client", "--policy", "{folder}", "--ton", "http://127.0.0.1:1/api/v2", "--data", "{data}"), TestCase("verify", "{folder}"), TestCase("wallet", "new", "--data", "")]
    [CancelAfter(60_000)]
    public async Task File_ThatCannotBeUsed_IsAnErrorInWords(params string[] command)
    {
        using TemporaryDirectory directory = new();
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(50));
        await File.WriteAllTextAsync(directory.File("file"), "x", limit.Token);
        Directory.CreateDirectory(directory.File("folder"));
        Directory.CreateDirectory(directory.File("data/wallet.json"));
        CommandResult result = await CocoonProgram.RunAsync(
            limit.Token,
            [.. command.Select(word => word
                .Replace("{file}", directory.File("file"), StringComparison.Ordinal).Replace("{folder}", directory.File("folder"), StringComparison.Ordinal)
                .Replace("{data}", directory.File("data"), StringComparison.Ordinal).Replace("{absent}", directory.File("absent"), StringComparison.Ordinal))]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.ExitCode, Is.InRange(1, 7), result.Error);
            Assert.That(result.Error, Does.Contain("error: ").And.Not.Contain("   at ").And.Not.Contain("Unhandled"));
        }
    }

    /// <summary>What is wrong with what was typed is said before anything else is looked for.</summary>
    [TestCase(4, "there is no voucher file /nonexist", "watchtower", "/nonexist")]
    [TestCase(4, "there is no TON configuration /nonexist", "client", "--ton-config", "/nonexist")]
    [TestCase(4, "there is no policy file /nonexist", "client", "--policy", "/nonexist", "--ton", "http://127.0.0.1:1/api/v2")]
    [TestCase(2, "--deposit 0 opens no channel", "client", "--deposit", "0", "--ton", "http://127.0.0.1:1/api/v2")]
    [TestCase(2, "--evidence is empty", "attest", "verify", "--kind", "tdx", "--evidence", "")]
    [CancelAfter(60_000)]
    public async Task Mistake_OfOneArgument_IsNamed(int exitCode, string what, params string[] command)
    {
        using TemporaryDirectory directory = new();
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(50));
        CommandResult result = await CocoonProgram.RunAsync(limit.Token, [.. command, "--data", directory.File("data")]);
        Assert.That((result.ExitCode, result.Error.Split('\n')[0]), Is.EqualTo((exitCode, $"error: {what}")), result.Error);
    }

    [TestCase("client"), TestCase("up"), TestCase("wallet", "new"), TestCase("bond", "show"), TestCase("peers", "--ephemeral")]
    [CancelAfter(60_000)]
    public async Task Network_ThatIsNone_IsAMistakeOfUsage(params string[] command)
    {
        using TemporaryDirectory directory = new();
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(50));
        CommandResult result = await CocoonProgram.RunAsync(limit.Token, [.. command, "--network", "mars", "--data", directory.File("data")]);
        Assert.That((result.ExitCode, result.Error.Contains("'mars'", StringComparison.Ordinal)), Is.EqualTo((2, true)), result.Error);
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

    /// <summary>Whoever reaches the API spends the wallet's money.</summary>
    [TestCase("0.0.0.0:8484"), TestCase("[::]:8484"), TestCase("192.0.2.7:8484")]
    [CancelAfter(60_000)]
    public async Task Client_WhoseApiOthersCouldReach_DoesNotStart(string api, CancellationToken cancellationToken)
    {
        using TemporaryDirectory directory = new();
        string data = directory.File("client");
        CommandResult wallet = await CocoonProgram.RunAsync(cancellationToken, "wallet", "new", "--no-words", "--data", data);
        CommandResult refused = await CocoonProgram.RunAsync(
            cancellationToken, "client", "--ton", "http://127.0.0.1:9/api/v2", "--data", data, "--api", api, "--listen", "/ip4/127.0.0.1/tcp/0");
        Assert.That((wallet.ExitCode, refused.ExitCode), Is.EqualTo((0, 2)), refused.Error);
        Assert.That(refused.Error, Does.Contain("the API may not listen on"));
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
