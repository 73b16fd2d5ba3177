using System.Buffers;
using System.Text;
using Cocoon.Protocol.Buffers;

namespace Cocoon.Protocol.Libp2p.Multistream;

/// <summary>Agreement on a protocol: multistream-select 1.0.</summary>
/// <remarks>
/// <code>
/// message = uvarint length (with the newline) · UTF-8 text · '\n'
/// dialer:   /multistream/1.0.0  proposal …
/// listener: /multistream/1.0.0  the same proposal, or "na"
/// </code>
/// <c>ls</c> and the deprecated simultaneous-open extension are answered by <c>na</c>.
/// </remarks>
internal static class MultistreamSelect
{
    public const string Header = "/multistream/1.0.0";

    /// <summary>Longest message, as in go and js.</summary>
    public const int MaxMessageLength = 1024;

    /// <summary>Proposals on one stream before it is given up.</summary>
    public const int MaxProposals = 32;

    private const string NotAvailable = "na";

    /// <summary>Header and first proposal as one write: with the first payload behind it, this costs no round trip.</summary>
    public static byte[] EncodeProposal(string protocol)
    {
        ArrayBufferWriter<byte> writer = new(Header.Length + protocol.Length + 8);
        Append(writer, Header);
        Append(writer, protocol);
        return writer.WrittenSpan.ToArray();
    }

    public static byte[] Encode(string message)
    {
        ArrayBufferWriter<byte> writer = new(message.Length + 4);
        Append(writer, message);
        return writer.WrittenSpan.ToArray();
    }

    /// <summary>Proposes one after the other and returns the first that the remote takes.</summary>
    /// <exception cref="Libp2pException">The remote takes none, or breaks the protocol.</exception>
    public static async ValueTask<string> DialAsync(IByteStream stream, IReadOnlyList<string> protocols, CancellationToken cancellationToken)
    {
        await stream.WriteAsync(EncodeProposal(protocols[0]), cancellationToken);
        await ReadHeaderAsync(stream, cancellationToken);
        for (int i = 0; ; i++)
        {
            if (await ReadAnswerAsync(stream, protocols[i], cancellationToken))
            {
                return protocols[i];
            }

            if (i + 1 == Math.Min(protocols.Count, MaxProposals))
            {
                throw NotSupported(protocols);
            }

            await stream.WriteAsync(Encode(protocols[i + 1]), cancellationToken);
        }
    }

    /// <summary>Reads the answer to an <see cref="EncodeProposal"/> sent before.</summary>
    /// <exception cref="Libp2pException">The remote does not take it, or breaks the protocol.</exception>
    public static async ValueTask FinishDialAsync(IByteStream stream, string protocol, CancellationToken cancellationToken)
    {
        await ReadHeaderAsync(stream, cancellationToken);
        if (!await ReadAnswerAsync(stream, protocol, cancellationToken))
        {
            throw NotSupported([protocol]);
        }
    }

    /// <summary>Answers proposals until one is supported.</summary>
    /// <exception cref="Libp2pException">Too many proposals, or the remote breaks the protocol.</exception>
    public static async ValueTask<string> ListenAsync(IByteStream stream, Func<string, bool> isSupported, CancellationToken cancellationToken)
    {
        await ReadHeaderAsync(stream, cancellationToken);
        ValueTask<string> next = ReadAsync(stream, cancellationToken);
        bool greeted = !next.IsCompleted;
        if (greeted)
        {
            // This dialer waits for our header before it proposes.
            await stream.WriteAsync(Encode(Header), cancellationToken);
        }

        string proposal = await next;
        for (int i = 0; i < MaxProposals; i++)
        {
            bool accepted = isSupported(proposal);
            string answer = accepted ? proposal : NotAvailable;
            await stream.WriteAsync(greeted ? Encode(answer) : EncodeProposal(answer), cancellationToken);
            if (accepted)
            {
                return proposal;
            }

            greeted = true;
            proposal = await ReadAsync(stream, cancellationToken);
        }

        throw new Libp2pException(Libp2pErrorCode.ProtocolNotSupported, $"{MaxProposals} proposals without a protocol in common.");
    }

    private static Libp2pException NotSupported(IReadOnlyList<string> protocols) =>
        new(Libp2pErrorCode.ProtocolNotSupported, $"The remote speaks none of {string.Join(", ", protocols)}.");

    private static async ValueTask ReadHeaderAsync(IByteStream stream, CancellationToken cancellationToken)
    {
        if (await ReadAsync(stream, cancellationToken) != Header)
        {
            throw new Libp2pException(Libp2pErrorCode.Malformed, "The remote does not speak multistream-select 1.0.");
        }
    }

    private static async ValueTask<bool> ReadAnswerAsync(IByteStream stream, string protocol, CancellationToken cancellationToken)
    {
        string answer = await ReadAsync(stream, cancellationToken);
        if (answer == protocol)
        {
            return true;
        }

        return answer == NotAvailable ? false : throw new Libp2pException(Libp2pErrorCode.Malformed, "The remote answered another protocol than the proposed one.");
    }

    private static async ValueTask<string> ReadAsync(IByteStream stream, CancellationToken cancellationToken)
    {
        byte[] message = await LengthPrefixed.ReadAsync(stream, MaxMessageLength, cancellationToken)
            ?? throw new Libp2pException(Libp2pErrorCode.UnexpectedEnd, "The remote ended the negotiation.");
        return message is [.., (byte)'\n']
            ? Encoding.UTF8.GetString(message, 0, message.Length - 1)
            : throw new Libp2pException(Libp2pErrorCode.Malformed, "A negotiation message does not end with a newline.");
    }

    private static void Append(ArrayBufferWriter<byte> writer, string message)
    {
        int length = Encoding.UTF8.GetByteCount(message) + 1;
        Varint.Write(writer, (ulong)length);
        Span<byte> span = writer.GetSpan(length);
        Encoding.UTF8.GetBytes(message, span);
        span[length - 1] = (byte)'\n';
        writer.Advance(length);
    }
}
