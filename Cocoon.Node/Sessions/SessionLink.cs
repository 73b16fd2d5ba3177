using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Node.Sessions;

/// <summary>Messages of one session over its stream: bounded reads, writes one at a time.</summary>
/// <remarks>One reader; writers may be several.</remarks>
internal sealed class SessionLink(IPeerStream stream) : IDisposable
{
    public const string ProtocolId = "/cocoon/infer/1.0.0";

    public const int MaxMessage = 1 << 20;
    public const int MaxHello = 4096;

    private readonly SemaphoreSlim _writing = new(1, 1);

    public IPeerStream Stream => stream;

    /// <summary>The messages leave as one write.</summary>
    public async ValueTask WriteAsync(IReadOnlyList<IMessage> messages, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await LengthPrefixed.WriteAsync(stream, messages, cancellationToken);
        }
        finally
        {
            _writing.Release();
        }
    }

    public async ValueTask WriteAsync(IMessage message, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await LengthPrefixed.WriteAsync(stream, message, cancellationToken);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>The next client message with its exact bytes; <c>null</c> when the client closed its side.</summary>
    /// <exception cref="Libp2pException">Oversized, cut off, or no such message.</exception>
    public async ValueTask<(ClientMessage Message, byte[] Bytes)?> ReadClientMessageAsync(int maxLength, CancellationToken cancellationToken)
    {
        byte[]? bytes = await LengthPrefixed.ReadAsync(stream, maxLength, cancellationToken);
        return bytes is null ? null : (LengthPrefixed.Parse(ClientMessage.Parser, bytes), bytes);
    }

    /// <summary>The next provider message; <c>null</c> when the provider closed its side.</summary>
    /// <exception cref="Libp2pException">Oversized, cut off, or no such message.</exception>
    public ValueTask<ProviderMessage?> ReadProviderMessageAsync(CancellationToken cancellationToken) =>
        LengthPrefixed.ReadAsync(stream, ProviderMessage.Parser, MaxMessage, cancellationToken);

    /// <summary>
    /// The exact bytes of a message's only field, for signatures and transcripts: a reserialised message need not be the one that was sent.
    /// </summary>
    /// <returns><c>null</c> unless the message is exactly one length-delimited field with this number.</returns>
    public static byte[]? OnlyField(byte[] message, int number)
    {
        try
        {
            CodedInputStream input = new(message);
            if (input.ReadTag() != WireFormat.MakeTag(number, WireFormat.WireType.LengthDelimited))
            {
                return null;
            }

            byte[] field = input.ReadBytes().ToByteArray();
            return input.IsAtEnd ? field : null;
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            return null;
        }
    }

    public void Dispose() => _writing.Dispose();
}
