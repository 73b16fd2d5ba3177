using System.ClientModel;
using System.ClientModel.Primitives;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Receipts;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Tests.Support;
using NUnit.Framework;
using OpenAI;
using OpenAI.Chat;

namespace Cocoon.Tests.EndToEnd;

/// <summary>The main job with real parts: a private question, an answer paid while it streams, and money that arrives on the chain.</summary>
public sealed class MainJobTests
{
    private static CocoonNetwork Network => SharedNetwork.Network;

    [Test, CancelAfter(120_000)]
    public async Task Answer_ByOfficialDotNetClient_IsPaidToTheNanoton(CancellationToken cancellationToken)
    {
        // A client of its own: others ask through the shared one's channels at the same time.
        CocoonNode client = await Network.StartClientAsync("paid-exactly", CocoonNetwork.Ton, cancellationToken);
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, SharedNetwork.Cheap, SharedNetwork.Dear);
        (string text, ChatTokenUsage? usage, int pieces) = await AskByOfficialClientAsync(client, "What do you keep private?", cancellationToken);
        JsonObject channel = (await client.ChannelAsync(_ => true, cancellationToken))!;
        bool isCheap = (string)channel["peer"]! == SharedNetwork.Cheap.PeerId;
        TonAddress wallet = await CocoonNetwork.WalletAsync(isCheap ? SharedNetwork.Cheap : SharedNetwork.Dear, cancellationToken);
        ulong before = await Network.BalanceAsync(wallet, cancellationToken);
        await SharedNetwork.PassOpeningWindowAsync(cancellationToken);
        JsonObject settled = await client.Control.PostAsync($"/control/channels/{channel["channel"]}/close", [], cancellationToken);
        ulong total = Nanoton(settled["claimed_total_nanoton"]);
        TonTransaction receipt = await ReceiptAsync(wallet, (string)channel["address"]!, cancellationToken);
        ulong after = await Network.BalanceAsync(wallet, cancellationToken);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(text, Is.EqualTo(TestModel.Sentence));
            Assert.That(pieces, Is.GreaterThan(0));
            Assert.That(usage!.OutputTokenCount, Is.GreaterThan(pieces / 2));
            Assert.That(total, Is.GreaterThan(0UL).And.LessThanOrEqualTo(Nanoton(channel["vouchered_nanoton"])));
            Assert.That(total, Is.EqualTo(Due(usage, isCheap)), "what the client paid is what the usage costs");
            Assert.That(after, Is.GreaterThan(before));
            Assert.That(after - before, Is.EqualTo(total - receipt.TotalFees), "the voucher total less what the provider's own wallet was charged on receipt");
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Answer_LongerThanAFrame_ComesInPieces(CancellationToken cancellationToken)
    {
        // Several 512-byte frames: however fast the engine is, they cannot be one piece.
        int pieces = 0;
        ChatAnswer answer = await Chat.StreamAsync(SharedNetwork.Client, Chat.Long(tokens: 1200), cancellationToken, _ =>
        {
            pieces++;
            return Task.CompletedTask;
        });
        Assert.That(answer.ErrorText, Is.Empty);
        Assert.That(pieces, Is.GreaterThan(1));
    }

    [Test, CancelAfter(60_000)]
    public async Task Receipt_IsVerifiedOffline_AndNotAfterOneFlippedByte(CancellationToken cancellationToken)
    {
        ChatAnswer answer = await Chat.StreamAsync(SharedNetwork.Client, Chat.Ask("A receipt, please."), cancellationToken);
        Assert.That(answer.ErrorText, Is.Empty);
        string path = Path.Combine(SharedNetwork.Client.DataDirectory, "receipts", $"{answer.Cocoon?["receipt"]}.json");
        byte[] whole = await File.ReadAllBytesAsync(path, cancellationToken);
        AssertReadableFieldsAreChecked(whole);
        AssertPaymentIsChecked(whole);
        JsonObject receipt = JsonNode.Parse(whole)!.AsObject();
        byte[] signed = Convert.FromBase64String((string)receipt["receipt"]!);
        signed[signed.Length / 2] ^= 1;
        receipt["receipt"] = Convert.ToBase64String(signed);
        string flipped = Path.Combine(SharedNetwork.Client.DataDirectory, "flipped.json");
        await File.WriteAllTextAsync(flipped, receipt.ToJsonString(), cancellationToken);

        CommandResult[] results = await Task.WhenAll(
            CocoonProgram.RunAsync(cancellationToken, "verify", path, "--allow-open", "-o", "json"),
            CocoonProgram.RunAsync(cancellationToken, "verify", flipped, "--allow-open", "-o", "json"),
            CocoonProgram.RunAsync(cancellationToken, "verify", path, "-o", "json"));
        JsonObject[] verdicts = [.. results.Select(r => JsonNode.Parse(r.Output)!.AsObject())];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(results.Select(r => r.ExitCode), Is.EqualTo(new[] { 0, 1, 7 }));
            Assert.That(verdicts.Select(v => (bool)v["valid"]!), Is.EqualTo(new[] { true, false, false }));
            Assert.That((string)verdicts[0]["tier"]!, Is.EqualTo("open"));
            Assert.That((string)verdicts[0]["evidence_kind"]!, Is.EqualTo("simulated"));
            Assert.That((string)verdicts[0]["total_nanoton"]!, Is.EqualTo((string)answer.Cocoon!["cost_nanoton"]!));
        }
    }

    /// <summary>What people read in the file must be what is signed, each field and no field twice.</summary>
    private static void AssertReadableFieldsAreChecked(byte[] whole)
    {
        AppraisalPolicy policy = AppraisalPolicy.Default with { AllowSimulated = true };
        ReceiptFile good = ReceiptFile.Parse(whole)!;
        ReceiptFile[] changed =
        [
            good with { Provider = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X" },
            good with { Provider = "" },
            good with { Model = "another" },
            good with { Tier = "cc-gpu" },
            good with { Session = new string('0', 32) },
            good with { TotalNanoton = "1" },
        ];
        Assert.That(ReceiptVerifier.Verify(good, policy, TimeProvider.System).Valid, Is.True);
        foreach (ReceiptFile file in changed)
        {
            ReceiptVerdict verdict = ReceiptVerifier.Verify(file, policy, TimeProvider.System);
            Assert.That((verdict.Valid, verdict.Checks.Single(check => check.Name == "figures").Ok), Is.EqualTo((false, (bool?)false)));
        }

        Assert.That(ReceiptFile.Parse(Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(whole).Replace("\"total_nanoton\"", "\"total_nanoton\":\"1\",\"total_nanoton\"", StringComparison.Ordinal))), Is.Null, "a field twice");
    }

    /// <summary>That it was paid is the pay key's word, not the file's: one changed byte, or one that is missing, and it is not shown.</summary>
    private static void AssertPaymentIsChecked(byte[] whole)
    {
        AppraisalPolicy policy = AppraisalPolicy.Default with { AllowSimulated = true };
        ReceiptFile good = ReceiptFile.Parse(whole)!;
        List<ReceiptFile> changed =
        [
            good with { VoucherStatement = null },
            good with { VoucherSignature = null },
            good with { ChannelTerms = null },
            .. Enumerable.Range(0, good.VoucherStatement!.Length).Select(i => good with { VoucherStatement = Flipped(good.VoucherStatement, i) }),
            .. Enumerable.Range(0, good.VoucherSignature!.Length).Select(i => good with { VoucherSignature = Flipped(good.VoucherSignature, i) }),
            .. Enumerable.Range(0, good.ChannelTerms!.Length).Select(i => Flipped(good.ChannelTerms, i)).Where(t => !SaysTheSame(t, good.ChannelTerms)).Select(t => good with { ChannelTerms = t }),
            SignedByAnother(good),
        ];
        foreach (ReceiptFile file in changed)
        {
            ReceiptVerdict verdict = ReceiptVerifier.Verify(file, policy, TimeProvider.System);
            Assert.That((verdict.Valid, verdict.Checks.Single(check => check.Name == "payment").Ok), Is.EqualTo((false, (bool?)false)));
        }

        ReceiptVerdict unsettled = ReceiptVerifier.Verify(good with { Settlement = null, SettlementSignature = null }, policy, TimeProvider.System);
        Assert.That((unsettled.Valid, unsettled.Checks.Single(check => check.Name == "settlement").Ok), Is.EqualTo((true, (bool?)null)), "a host that left first tells nothing");
        Assert.That(ReceiptVerifier.Verify(good with { SettlementSignature = null }, policy, TimeProvider.System).Valid, Is.False, "half of it is a file that was changed");
    }

    /// <summary>A voucher that is right in itself, drawn by somebody else on terms of his own.</summary>
    private static ReceiptFile SignedByAnother(ReceiptFile good)
    {
        using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
        Assert.That(ChannelTerms.TryDecode(good.ChannelTerms, out ChannelTerms? terms), Is.True);
        ChannelTerms own = terms! with { PayKey = other.PublicKey };
        VoucherStatement voucher = new(new ChannelContract(own).Address.Id, 1_000_000_000, 1);
        return good with { ChannelTerms = own.Encode(), VoucherStatement = voucher.ToBytes(), VoucherSignature = voucher.Sign(other) };
    }

    /// <summary>A bag of cells has bits that mean nothing to its reader.</summary>
    private static bool SaysTheSame(byte[] terms, byte[] others) =>
        ChannelTerms.TryDecode(terms, out ChannelTerms? one) && ChannelTerms.TryDecode(others, out ChannelTerms? other) && one == other;

    private static byte[] Flipped(byte[] bytes, int index)
    {
        byte[] changed = [.. bytes];
        changed[index] ^= 1;
        return changed;
    }

    [Test, CancelAfter(60_000)]
    public async Task Provider_ClaimsOnItsOwn_AndIsPaidWhatWasVouched(CancellationToken cancellationToken)
    {
        CocoonNode provider = SharedNetwork.Dear, client = await Network.StartClientAsync("claimed", CocoonNetwork.Ton, cancellationToken);
        TonAddress wallet = await CocoonNetwork.WalletAsync(provider, cancellationToken);
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, provider);
        ChatAnswer answer = await Chat.StreamAsync(client, Chat.Ask("Claim this.", provider.PeerId), cancellationToken);
        Assert.That(answer.ErrorText, Is.Empty);
        ulong before = await Network.BalanceAsync(wallet, cancellationToken);
        ulong last = (await Network.Devnet.Client.GetTransactionsAsync(wallet, 1, null, cancellationToken))[0].LogicalTime;

        JsonObject claimed = await provider.Control.PostAsync($"/control/channels/{answer.Channel}/claim", [], cancellationToken);
        IReadOnlyList<TonTransaction> transactions = await Network.Devnet.Client.GetTransactionsAsync(wallet, 8, null, cancellationToken);
        TonTransaction[] own = [.. transactions.Where(t => t.LogicalTime > last)];
        TonTransaction paid = own.Single(t => t.InMessage?.Source is { } source && source == TonAddress.Parse(answer.Channel));
        JsonObject channel = (await provider.ChannelAsync(c => (string)c["address"]! == answer.Channel, cancellationToken))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Nanoton(claimed["paid_nanoton"]), Is.EqualTo(answer.VoucherTotal));
            Assert.That(Nanoton(channel["redeemed_nanoton"]), Is.EqualTo(answer.VoucherTotal));
            Assert.That((string)channel["state"]!, Is.EqualTo("open"), "a claim leaves the channel open");
            Assert.That(paid.InMessage!.Value, Is.GreaterThanOrEqualTo(answer.VoucherTotal));
            Assert.That((Int128)await Network.BalanceAsync(wallet, cancellationToken) - before, Is.EqualTo(own.Aggregate((Int128)0, (sum, t) => sum + t.BalanceChange)));
        }

        await SharedNetwork.PassOpeningWindowAsync(cancellationToken);
        JsonObject settled = await client.Control.PostAsync($"/control/channels/{answer.Channel}/close", [], cancellationToken);
        Assert.That(Nanoton(settled["claimed_total_nanoton"]), Is.EqualTo(answer.VoucherTotal), "what was claimed stays claimed, and no more is taken");
    }

    private static async Task<(string Text, ChatTokenUsage? Usage, int Pieces)> AskByOfficialClientAsync(
        CocoonNode client, string question, CancellationToken cancellationToken)
    {
        ChatClient official = new(
            CocoonNetwork.ModelName, new ApiKeyCredential("unused"), new OpenAIClientOptions { Endpoint = client.Api, RetryPolicy = new ClientRetryPolicy(0) });
        StringBuilder text = new();
        ChatTokenUsage? usage = null;
        int pieces = 0;
        await foreach (StreamingChatCompletionUpdate update in official.CompleteChatStreamingAsync(
            [new UserChatMessage(question)], new ChatCompletionOptions { Temperature = 0 }, cancellationToken))
        {
            foreach (ChatMessageContentPart part in update.ContentUpdate)
            {
                text.Append(part.Text);
                pieces += part.Text.Length > 0 ? 1 : 0;
            }

            usage = update.Usage ?? usage;
        }

        return (text.ToString(), usage, pieces);
    }

    private static async Task<TonTransaction> ReceiptAsync(TonAddress wallet, string channel, CancellationToken cancellationToken) =>
        (await Network.Devnet.Client.GetTransactionsAsync(wallet, 8, null, cancellationToken))
            .First(t => t.InMessage?.Source is { } source && source == TonAddress.Parse(channel));

    /// <summary>By the cheap provider's prices of 0.04, 0.01 and 0.16 TON per million tokens.</summary>
    private static ulong Due(ChatTokenUsage usage, bool isCheap)
    {
        (ulong prompt, ulong completion) = isCheap ? (40_000_000UL, 160_000_000UL) : (50_000_000, 240_000_000);
        ulong cached = (ulong)(usage.InputTokenDetails?.CachedTokenCount ?? 0);
        ulong sum = (((ulong)usage.InputTokenCount - cached) * prompt) + (cached * 10_000_000) + ((ulong)usage.OutputTokenCount * completion);
        return (sum + 999_999) / 1_000_000;
    }

    private static ulong Nanoton(JsonNode? amount) => ulong.Parse((string)amount!, CultureInfo.InvariantCulture);
}
