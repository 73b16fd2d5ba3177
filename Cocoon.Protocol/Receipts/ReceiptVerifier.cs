using System.Security.Cryptography;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Protocol.Ton.Cells;
using Google.Protobuf;

namespace Cocoon.Protocol.Receipts;

/// <summary>One thing that was checked of a receipt.</summary>
/// <param name="Ok"><c>null</c>: could not be checked from this file alone.</param>
internal sealed record ReceiptCheck(string Name, bool? Ok, string Detail);

/// <summary>The verdict over a receipt. Valid when every check that could be made holds, and the payment is shown.</summary>
internal sealed record ReceiptVerdict(bool Valid, string Tier, string EvidenceKind, ulong TotalNanoton, Receipt? Receipt, IReadOnlyList<ReceiptCheck> Checks);

/// <summary>Checks a receipt offline: the enclave's evidence, its signatures, the prices and the payment. Trusts the file's own words for nothing.</summary>
internal static class ReceiptVerifier
{
    /// <summary>What no receipt can show, in words.</summary>
    public static IReadOnlyList<string> NotCovered { get; } =
    [
        "physical attacks on the host, traffic timing; in tier open, the machine's owner",
        "a voucher counts over its channel's whole life: whether it was enough for all answers together, and whether the chain paid it, is in 'cocoon channels show'",
    ];

    public static ReceiptVerdict Verify(ReceiptFile file, AppraisalPolicy policy, TimeProvider time)
    {
        List<ReceiptCheck> checks = [];
        Receipt receipt;
        Quote quote;
        try
        {
            receipt = Receipt.Parser.ParseBounded(file.Receipt);
            quote = Quote.Parser.ParseBounded(file.Quote);
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            return new ReceiptVerdict(false, "", "", 0, null, [new ReceiptCheck("format", false, "the signed bytes are no receipt")]);
        }

        // Appraised as of the answer: evidence that has aged since does not make an old answer wrong.
        DateTimeOffset answered = Answered(receipt, time);
        AttestationResult attestation = EvidenceAppraiser.Standard.Appraise(
            file.Evidence, new AppraisalSubject(ReadOnlyMemory<byte>.Empty, null), policy, answered);
        checks.Add(new ReceiptCheck("evidence", attestation.IsAccepted,
            attestation.IsAccepted ? $"{attestation.Claims!.Kind.Word()}, accepted by policy {policy.Id}" : string.Join(", ", attestation.Reasons)));
        if (attestation.Claims is not { } claims)
        {
            return new ReceiptVerdict(false, receipt.Tier, receipt.EvidenceKind, receipt.TotalNanoton, receipt, checks);
        }

        ReadOnlySpan<byte> identity = claims.IdentityKey.AsSpan();
        Add(checks, "signature", SignedRecords.TryVerifyReceipt(
                identity, new SignedReceipt { Receipt = ByteString.CopyFrom(file.Receipt), Signature = ByteString.CopyFrom(file.ReceiptSignature) }, out _),
            $"enclave key {Convert.ToHexStringLower(identity[..8])}…");
        Add(checks, "tier", receipt.Tier == claims.Tier.Word() && receipt.EvidenceKind == claims.Kind.Word(), $"{receipt.Tier} ({receipt.EvidenceKind})");
        Add(checks, "measurement", receipt.EngineDigest.Span.SequenceEqual(claims.EngineDigest.AsSpan())
            && receipt.EvidenceDigest.Span.SequenceEqual(attestation.EvidenceDigest.AsSpan()), receipt.Engine);
        Add(checks, "model", claims.Models.Any(m => receipt.ModelId.Span.SequenceEqual(m.ToArray())) && receipt.ModelAssurance == claims.ModelAssurance,
            $"{receipt.ModelName}, id {Convert.ToHexStringLower(receipt.ModelId.Span)} ({receipt.ModelAssurance})");
        Add(checks, "figures", file.TotalNanoton == receipt.TotalNanoton.ToString(System.Globalization.CultureInfo.InvariantCulture)
            && file.Model == receipt.ModelName && file.Tier == receipt.Tier && file.Session == Convert.ToHexStringLower(receipt.SessionId.Span)
            && PeerId.TryFromBytes(claims.PeerId.AsSpan(), out PeerId? provider) && file.Provider == provider.ToString(),
            "the readable fields say what is signed");
        AddQuote(checks, file, receipt, quote, claims);
        AddSettlement(checks, file, receipt, identity);
        AddPayment(checks, file, receipt);
        return new ReceiptVerdict(checks.All(c => c.Ok != false), receipt.Tier, receipt.EvidenceKind, receipt.TotalNanoton, receipt, checks);
    }

    private static void AddQuote(List<ReceiptCheck> checks, ReceiptFile file, Receipt receipt, Quote quote, EnclaveClaims claims)
    {
        Ed25519PublicKey? key = null;
        bool known = PeerId.TryFromBytes(claims.PeerId.AsSpan(), out PeerId? peer) && peer.TryGetPublicKey(out key);
        SignedQuote signed = new() { Quote = ByteString.CopyFrom(file.Quote), Signature = ByteString.CopyFrom(file.QuoteSignature) };
        Add(checks, "quote", known && SignedRecords.TryVerifyQuote(key!.Bytes, signed, out _)
            && receipt.QuoteDigest.Span.SequenceEqual(SHA256.HashData(file.Quote)), $"signed by provider {peer}");
        bool priced = receipt.Prices is not null && quote.Prices is not null && receipt.Usage is not null
            && receipt.Prices.Equals(quote.Prices)
            && receipt.Usage.CachedTokens <= receipt.Usage.PromptTokens
            && receipt.TotalNanoton == Metering.Due(receipt.Prices, new TokenCounts(receipt.Usage.PromptTokens, receipt.Usage.CachedTokens, receipt.Usage.CompletionTokens));
        Add(checks, "price", priced, $"{receipt.TotalNanoton} nanoTON for {receipt.Usage?.PromptTokens} + {receipt.Usage?.CompletionTokens} tokens at the quoted prices");
    }

    private static void AddSettlement(List<ReceiptCheck> checks, ReceiptFile file, Receipt receipt, ReadOnlySpan<byte> identity)
    {
        if (file.Settlement is null && file.SettlementSignature is null)
        {
            checks.Add(new ReceiptCheck("settlement", null, "not in the file: the provider's host may have been told another total"));
            return;
        }

        bool holds = SignedRecords.TryVerifySettlement(
                identity, new SignedSettlement { Settlement = ByteString.CopyFrom(file.Settlement ?? []), Signature = ByteString.CopyFrom(file.SettlementSignature ?? []) }, out Settlement? settlement)
            && settlement.SessionId == receipt.SessionId
            && settlement.Channel == receipt.Channel
            && settlement.DueNanoton == receipt.TotalNanoton;
        Add(checks, "settlement", holds, holds ? "the host was told the same total" : "the host's figure is not this receipt's, or not the enclave's");
    }

    /// <remarks>Receipt → channel, channel → terms (its address is their hash), terms → pay key, pay key → voucher: no word of the file alone is believed.</remarks>
    private static void AddPayment(List<ReceiptCheck> checks, ReceiptFile file, Receipt receipt)
    {
        if (receipt.TotalNanoton == 0)
        {
            Add(checks, "payment", true, "nothing was due");
            return;
        }

        string? wrong = Judge(file, receipt, out ulong total);
        Add(checks, "payment", wrong is null, wrong ?? $"a voucher of {total} nanoTON in all, signed by the channel's pay key, covers this answer's {receipt.TotalNanoton}");
    }

    /// <returns>Why the voucher in the file does not show the payment; <c>null</c> when it does.</returns>
    private static string? Judge(ReceiptFile file, Receipt receipt, out ulong total)
    {
        total = 0;
        if (file.VoucherStatement is null || file.VoucherSignature is null || file.ChannelTerms is null)
        {
            return "not shown: no signed voucher is in the file";
        }

        CellHash? channel = ChannelTerms.TryDecode(file.ChannelTerms, out ChannelTerms? terms) ? new ChannelContract(terms).Address.Id : null;
        if (channel is null || !receipt.Channel.Span.SequenceEqual(channel.Value.ToArray()))
        {
            return "the terms in the file are not those of the channel that the receipt names";
        }

        if (!VoucherStatement.TryDecode(file.VoucherStatement, out VoucherStatement voucher) || voucher.Channel != channel)
        {
            return "the voucher is not drawn on the channel that the receipt names";
        }

        if (!terms!.PayKey.IsPrimeOrder() || file.VoucherSignature.Length != Ed25519.SignatureSize || !voucher.Verify(terms.PayKey, file.VoucherSignature))
        {
            return "the voucher is not signed by the channel's pay key";
        }

        total = voucher.Total;
        return total < receipt.TotalNanoton ? $"the voucher's {total} nanoTON do not cover this answer's {receipt.TotalNanoton}" : null;
    }

    private static DateTimeOffset Answered(Receipt receipt, TimeProvider time)
    {
        DateTimeOffset now = time.GetUtcNow();
        return receipt.FinishedAtMs > 0 && receipt.FinishedAtMs < (ulong)now.ToUnixTimeMilliseconds()
            ? DateTimeOffset.FromUnixTimeMilliseconds((long)receipt.FinishedAtMs)
            : now;
    }

    private static void Add(List<ReceiptCheck> checks, string name, bool ok, string detail) => checks.Add(new ReceiptCheck(name, ok, detail));
}
