using System.Security.Cryptography;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Protocol.Receipts;

/// <summary>One thing that was checked of a receipt.</summary>
/// <param name="Ok"><c>null</c>: could not be checked from this file alone.</param>
internal sealed record ReceiptCheck(string Name, bool? Ok, string Detail);

/// <summary>The verdict over a receipt. Valid when every check that could be made holds.</summary>
internal sealed record ReceiptVerdict(bool Valid, string Tier, string EvidenceKind, ulong TotalNanoton, Receipt? Receipt, IReadOnlyList<ReceiptCheck> Checks);

/// <summary>Checks a receipt offline: the enclave's evidence, its signatures, the prices and the payment. Trusts the file's own words for nothing.</summary>
internal static class ReceiptVerifier
{
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
        AddPayment(checks, file, receipt, identity);
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

    private static void AddPayment(List<ReceiptCheck> checks, ReceiptFile file, Receipt receipt, ReadOnlySpan<byte> identity)
    {
        if (file.Settlement is null || file.SettlementSignature is null)
        {
            checks.Add(new ReceiptCheck("settlement", null, "the provider's settlement is not in the file"));
        }
        else
        {
            bool holds = SignedRecords.TryVerifySettlement(
                    identity, new SignedSettlement { Settlement = ByteString.CopyFrom(file.Settlement), Signature = ByteString.CopyFrom(file.SettlementSignature) }, out Settlement? settlement)
                && settlement.SessionId == receipt.SessionId
                && settlement.Channel == receipt.Channel
                && settlement.DueNanoton == receipt.TotalNanoton;
            Add(checks, "settlement", holds, "the host was told the same total");
        }

        if (file.VoucherStatement is null)
        {
            checks.Add(new ReceiptCheck("payment", null, "no voucher is in the file"));
            return;
        }

        bool covers = VoucherStatement.TryDecode(file.VoucherStatement, out VoucherStatement voucher)
            && receipt.Channel.Span.SequenceEqual(voucher.Channel.ToArray())
            && voucher.Total >= receipt.TotalNanoton;
        Add(checks, "payment", covers, $"voucher of {voucher.Total} nanoTON in all covers this answer's {receipt.TotalNanoton}");
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
