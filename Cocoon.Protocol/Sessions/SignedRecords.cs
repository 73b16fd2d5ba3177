using System.Diagnostics.CodeAnalysis;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Protocol.Sessions;

/// <summary>The signed messages of a session, each under its own domain. A wrong signature or unreadable body is <c>false</c>.</summary>
internal static class SignedRecords
{
    /// <summary>Largest key record: that of the largest suite has 1,216 bytes of key. Clients remember many.</summary>
    public const int MaxKeyRecord = 2048;

    /// <summary>What a later version may add is signed too, and not kept.</summary>
    private static readonly MessageParser<KeyRecord> KeyParser = KeyRecord.Parser.WithDiscardUnknownFields(true);

    public static SignedKeyRecord SignKey(Ed25519PrivateKey identity, KeyRecord record)
    {
        ByteString bytes = record.ToByteString();
        return new SignedKeyRecord { Record = bytes, Signature = Sign(identity, SessionDomains.HpkeKey, bytes) };
    }

    public static bool TryVerifyKey(ReadOnlySpan<byte> identityKey, SignedKeyRecord signed, [NotNullWhen(true)] out KeyRecord? record)
    {
        record = null;
        return signed.Record.Length <= MaxKeyRecord
            && TryVerify(identityKey, SessionDomains.HpkeKey, signed.Record, signed.Signature, static bytes => KeyParser.ParseBoundedAsTold(bytes), out record);
    }

    /// <param name="peer">The provider's peer key.</param>
    public static SignedQuote SignQuote(Ed25519PrivateKey peer, Quote quote)
    {
        ByteString bytes = quote.ToByteString();
        return new SignedQuote { Quote = bytes, Signature = Sign(peer, SessionDomains.Quote, bytes) };
    }

    public static bool TryVerifyQuote(ReadOnlySpan<byte> peerKey, SignedQuote signed, [NotNullWhen(true)] out Quote? quote) =>
        TryVerify(peerKey, SessionDomains.Quote, signed.Quote, signed.Signature, static bytes => Quote.Parser.ParseBounded(bytes), out quote);

    public static SignedSettlement SignSettlement(Ed25519PrivateKey identity, Settlement settlement)
    {
        ByteString bytes = settlement.ToByteString();
        return new SignedSettlement { Settlement = bytes, Signature = Sign(identity, SessionDomains.Settlement, bytes) };
    }

    public static bool TryVerifySettlement(
        ReadOnlySpan<byte> identityKey, SignedSettlement signed, [NotNullWhen(true)] out Settlement? settlement) =>
        TryVerify(identityKey, SessionDomains.Settlement, signed.Settlement, signed.Signature, static bytes => Settlement.Parser.ParseBounded(bytes), out settlement);

    public static SignedReceipt SignReceipt(Ed25519PrivateKey identity, Receipt receipt)
    {
        ByteString bytes = receipt.ToByteString();
        return new SignedReceipt { Receipt = bytes, Signature = Sign(identity, SessionDomains.Receipt, bytes) };
    }

    public static bool TryVerifyReceipt(ReadOnlySpan<byte> identityKey, SignedReceipt signed, [NotNullWhen(true)] out Receipt? receipt) =>
        TryVerify(identityKey, SessionDomains.Receipt, signed.Receipt, signed.Signature, static bytes => Receipt.Parser.ParseBounded(bytes), out receipt);

    private static ByteString Sign(Ed25519PrivateKey key, ReadOnlySpan<byte> domain, ByteString body) =>
        UnsafeByteOperations.UnsafeWrap(key.Sign(SessionDomains.Message(domain, body.Span)));

    private static bool TryVerify<T>(
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> domain,
        ByteString body,
        ByteString signature,
        Func<ReadOnlySpan<byte>, T> parse,
        [NotNullWhen(true)] out T? message)
        where T : class, IMessage<T>
    {
        message = null;
        if (!Ed25519.Verify(key, SessionDomains.Message(domain, body.Span), signature.Span))
        {
            return false;
        }

        try
        {
            message = parse(body.Span);
            return true;
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            return false;
        }
    }
}
