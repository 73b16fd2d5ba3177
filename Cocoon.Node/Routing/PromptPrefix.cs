using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Routing;

/// <summary>The beginning of a prompt as a chain of digests, one for each block: two prompts begin alike as far as their chains agree.</summary>
/// <remarks>
/// Over the bytes of <c>tools</c> and of the messages or the prompt as the application wrote them, since that is what it sends again when a
/// conversation goes on. Digests, so that no second copy of a prompt is kept; a collision costs a worse choice of provider and nothing else.
/// </remarks>
internal sealed class PromptPrefix
{
    /// <summary>Bytes a block: about the 64 tokens by which the engine keeps prefixes.</summary>
    public const int BlockSize = 256;

    /// <summary>Blocks looked at, 1 MiB of prompt: what lies beyond counts as not shared.</summary>
    public const int MaxBlocks = 4096;

    private readonly ulong[] _blocks;
    private readonly int _length;

    private PromptPrefix(ulong[] blocks, int length)
    {
        _blocks = blocks;
        _length = length;
    }

    /// <summary>Whole blocks; 0 for a prompt that is too short for any cache.</summary>
    public int Blocks => _blocks.Length;

    /// <param name="body">A JSON object.</param>
    public static PromptPrefix Of(SealedRequest.Types.Endpoint endpoint, ReadOnlySpan<byte> body)
    {
        string subject = endpoint switch
        {
            SealedRequest.Types.Endpoint.ChatCompletions => "messages",
            SealedRequest.Types.Endpoint.Completions => "prompt",
            _ => "",
        };
        ReadOnlySpan<byte> tools = [], text = [];
        Utf8JsonReader reader = new(body);
        reader.Read();
        while (subject.Length > 0 && reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isTools = reader.ValueTextEquals("tools"), isSubject = reader.ValueTextEquals(subject);
            reader.Read();
            int start = (int)reader.TokenStartIndex;
            reader.Skip();
            ReadOnlySpan<byte> value = body[start..(int)reader.BytesConsumed];
            tools = isTools ? value : tools;
            text = isSubject ? value : text;
        }

        // Without the bracket or quote that closes it: more may follow there the next time.
        return Of(tools, text.Length > 0 ? text[..^1] : text);
    }

    /// <summary>The share of this prompt, 0 to 1, that begins another one's bytes too.</summary>
    public double SharedWith(PromptPrefix other)
    {
        int common = _blocks.AsSpan().CommonPrefixLength(other._blocks);
        return _length == 0 ? 0 : Math.Min(1, (double)common * BlockSize / _length);
    }

    /// <summary>Whether the other begins with all of this one's blocks.</summary>
    public bool IsContinuedBy(PromptPrefix other) => _blocks.AsSpan().CommonPrefixLength(other._blocks) == _blocks.Length;

    private static PromptPrefix Of(ReadOnlySpan<byte> tools, ReadOnlySpan<byte> text)
    {
        int length = tools.Length + text.Length;
        ulong[] blocks = new ulong[Math.Min(MaxBlocks, length / BlockSize)];
        Span<byte> link = stackalloc byte[sizeof(ulong) + BlockSize], digest = stackalloc byte[SHA256.HashSizeInBytes];
        link.Clear();
        for (int i = 0; i < blocks.Length; i++)
        {
            Span<byte> block = link[sizeof(ulong)..];
            int at = i * BlockSize, ofTools = Math.Clamp(tools.Length - at, 0, BlockSize);
            tools.Slice(Math.Min(at, tools.Length), ofTools).CopyTo(block);
            text.Slice(Math.Max(0, at - tools.Length), BlockSize - ofTools).CopyTo(block[ofTools..]);
            SHA256.HashData(link, digest);
            digest[..sizeof(ulong)].CopyTo(link);
            blocks[i] = BinaryPrimitives.ReadUInt64LittleEndian(digest);
        }

        return new PromptPrefix(blocks, length);
    }
}
