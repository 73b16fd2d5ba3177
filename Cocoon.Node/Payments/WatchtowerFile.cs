using System.Text.Json;
using System.Text.Json.Serialization;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Payments;

/// <summary>The last vouchers of a provider, for a third party that claims for it while it is away. The money can only go to the payout address.</summary>
/// <remarks>Everything in it is checked again when it is read: terms give the address, the pay key gives the signature.</remarks>
internal sealed record WatchtowerFile(int Schema, string Kind, string Network, int GlobalId, DateTimeOffset CreatedAt, IReadOnlyList<WatchtowerFile.Entry> Vouchers)
{
    public const int CurrentSchema = 1;

    public const string KindWord = "cocoon-watchtower";

    /// <summary>Bytes of a file; 10,000 vouchers take about 8 MB.</summary>
    public const int MaxBytes = 32 << 20;

    /// <param name="Terms">Initial data of the channel, a bag of cells.</param>
    /// <param name="Statement">52 bytes that were signed.</param>
    /// <param name="GrantStatement">76 bytes, when a session key signed.</param>
    internal sealed record Entry(
        string Channel, byte[] Terms, byte[] Statement, byte[] Signature, byte[]? GrantStatement, byte[]? GrantSignature, string TotalNanoton, string ClaimedNanoton, uint ExpiresAt);

    public static WatchtowerFile Of(ProviderLedger ledger, NetworkProfile network, DateTimeOffset now) => new(
        CurrentSchema, KindWord, network.Name, network.GlobalId, now,
        [.. ledger.Channels.Select(c => c.Record).Where(r => r is { Gone: false, Voucher: not null } && r.Voucher.Statement.Total > r.Claimed).Select(From)]);

    /// <exception cref="PaymentException">Not such a file, of another network, or with a voucher that no contract would pay.</exception>
    public static IReadOnlyList<WatchedVoucher> Read(ReadOnlySpan<byte> json, NetworkProfile network)
    {
        WatchtowerFile file;
        try
        {
            file = JsonSerializer.Deserialize(json, WatchtowerJson.Default.WatchtowerFile) ?? throw new JsonException("The file is empty.");
        }
        catch (JsonException exception)
        {
            throw new PaymentException(PaymentErrorCode.Terms, $"The file is no watchtower file: {exception.Message}", exception);
        }

        if (file.Kind != KindWord || file.Schema != CurrentSchema || file.Vouchers is null)
        {
            throw new PaymentException(PaymentErrorCode.Terms, $"The file is '{file.Kind}' of schema {file.Schema}; '{KindWord}' of schema {CurrentSchema} is expected.");
        }

        return file.GlobalId == network.GlobalId
            ? [.. file.Vouchers.Select(Check)]
            : throw new PaymentException(PaymentErrorCode.Terms, $"The file is for {file.Network} ({file.GlobalId}), not for {network.Name} ({network.GlobalId}).");
    }

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, WatchtowerJson.Default.WatchtowerFile);

    private static Entry From(ProviderChannelRecord record)
    {
        SignedVoucher voucher = record.Voucher!;
        return new Entry(
            new TonAddress(0, record.Channel).ToString(), record.Terms.Encode(), voucher.Statement.ToBytes(), voucher.Signature,
            voucher.Grant is { } grant ? new GrantStatement(record.Channel, grant.SessionKey, grant.Cap).ToBytes() : null, voucher.Grant?.Signature,
            voucher.Statement.Total.ToString(System.Globalization.CultureInfo.InvariantCulture),
            record.Claimed.ToString(System.Globalization.CultureInfo.InvariantCulture), record.ExpiresAt);
    }

    private static WatchedVoucher Check(Entry entry, int index)
    {
        if (entry.Terms is null || !ChannelTerms.TryDecode(entry.Terms, out ChannelTerms? terms))
        {
            throw Wrong(index, "its terms cannot be read");
        }

        ChannelContract contract = new(terms);
        if (entry.Statement is null || !VoucherStatement.TryDecode(entry.Statement, out VoucherStatement statement) || statement.Channel != contract.Address.Id)
        {
            throw Wrong(index, "it is not for the channel that its terms give");
        }

        SignedGrant? grant = null;
        if (entry.GrantStatement is { Length: GrantStatementSize } granted && entry.GrantSignature is { Length: Ed25519.SignatureSize } grantSignature)
        {
            grant = new SignedGrant(
                new Ed25519PublicKey(granted.AsSpan(36, Ed25519PublicKey.Size)), System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(granted.AsSpan(68)), grantSignature);
        }

        if (entry.Signature is not { Length: Ed25519.SignatureSize })
        {
            throw Wrong(index, "it has no signature");
        }

        SignedVoucher voucher = new(statement, entry.Signature, grant);
        return voucher.Verify(terms.PayKey) ? new WatchedVoucher(contract, voucher) : throw Wrong(index, "its signature is not the pay key's");
    }

    private const int GrantStatementSize = Protocol.Contracts.GrantStatement.Size;

    private static PaymentException Wrong(int index, string why) => new(PaymentErrorCode.Terms, $"Voucher {index + 1} of the file would not be paid: {why}.");
}

/// <summary>A voucher that was checked, with the channel that pays it.</summary>
internal sealed record WatchedVoucher(ChannelContract Contract, SignedVoucher Voucher)
{
    public CellHash Channel => Contract.Address.Id;
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(WatchtowerFile))]
internal sealed partial class WatchtowerJson : JsonSerializerContext;
