using System.Text.Json;
using System.Text.Json.Serialization;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Protocol.Receipts;

/// <summary>A receipt on disk with everything needed to check it offline: a JSON document, byte fields in base64.</summary>
/// <remarks>Holds no prompt and no answer, only their salted digests. The named figures repeat the signed bytes for people; a verifier reads only those.</remarks>
internal sealed record ReceiptFile
{
    public const int CurrentVersion = 1;

    /// <summary>Evidence bundles are at most 1 MiB; base64 and the rest stay under this.</summary>
    public const int MaxBytes = 2 << 20;

    [JsonPropertyName("schema")]
    public int Schema { get; init; } = CurrentVersion;

    [JsonPropertyName("session")]
    public required string Session { get; init; }

    [JsonPropertyName("provider")]
    public required string Provider { get; init; }

    [JsonPropertyName("model")]
    public required string Model { get; init; }

    [JsonPropertyName("tier")]
    public required string Tier { get; init; }

    [JsonPropertyName("total_nanoton")]
    public required string TotalNanoton { get; init; }

    /// <summary>Receipt bytes as signed.</summary>
    [JsonPropertyName("receipt")]
    public required byte[] Receipt { get; init; }

    [JsonPropertyName("receipt_signature")]
    public required byte[] ReceiptSignature { get; init; }

    [JsonPropertyName("evidence")]
    public required byte[] Evidence { get; init; }

    [JsonPropertyName("quote")]
    public required byte[] Quote { get; init; }

    [JsonPropertyName("quote_signature")]
    public required byte[] QuoteSignature { get; init; }

    [JsonPropertyName("settlement")]
    public byte[]? Settlement { get; init; }

    [JsonPropertyName("settlement_signature")]
    public byte[]? SettlementSignature { get; init; }

    /// <summary>The last voucher statement that we signed for the session's channel, 52 bytes.</summary>
    [JsonPropertyName("voucher_statement")]
    public byte[]? VoucherStatement { get; init; }

    /// <summary>64 bytes by the channel's pay key.</summary>
    [JsonPropertyName("voucher_signature")]
    public byte[]? VoucherSignature { get; init; }

    /// <summary>The channel's terms, a bag of cells: its address follows from them, and they name the key that signs its vouchers.</summary>
    [JsonPropertyName("channel_terms")]
    public byte[]? ChannelTerms { get; init; }

    public static readonly JsonSerializerOptions Options = new() { WriteIndented = true, MaxDepth = 8, UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip, AllowDuplicateProperties = false, RespectNullableAnnotations = true };

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, Options);

    /// <returns><c>null</c> when it is no receipt file of this version.</returns>
    public static ReceiptFile? Parse(ReadOnlySpan<byte> json)
    {
        if (json.Length > MaxBytes)
        {
            return null;
        }

        try
        {
            return JsonSerializer.Deserialize<ReceiptFile>(json, Options) is { Schema: CurrentVersion } file ? file : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public static ReceiptFile Create(Sessions.AppraisedEnclave enclave, string provider, SignedReceipt signed, SignedSettlement settlement, PaidVoucher? paid)
    {
        Receipt receipt = Sessions.Proto.Receipt.Parser.ParseBounded(signed.Receipt.Span);
        return new ReceiptFile
        {
            Session = Convert.ToHexStringLower(enclave.SessionId),
            Provider = provider,
            Model = receipt.ModelName,
            Tier = receipt.Tier,
            TotalNanoton = receipt.TotalNanoton.ToString(System.Globalization.CultureInfo.InvariantCulture),
            Receipt = signed.Receipt.ToByteArray(),
            ReceiptSignature = signed.Signature.ToByteArray(),
            Evidence = enclave.EvidenceBundle,
            Quote = enclave.SignedQuote.Quote.ToByteArray(),
            QuoteSignature = enclave.SignedQuote.Signature.ToByteArray(),
            Settlement = settlement.Settlement.IsEmpty ? null : settlement.Settlement.ToByteArray(),
            SettlementSignature = settlement.Signature.IsEmpty ? null : settlement.Signature.ToByteArray(),
            VoucherStatement = paid?.Voucher.Statement.ToBytes(),
            VoucherSignature = paid?.Voucher.Signature,
            ChannelTerms = paid?.Terms.Encode(),
        };
    }
}

/// <summary>What an answer was paid with.</summary>
/// <param name="Terms">Of the channel that the voucher is drawn on.</param>
internal sealed record PaidVoucher(SignedVoucher Voucher, ChannelTerms Terms);
