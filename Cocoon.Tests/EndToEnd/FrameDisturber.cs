using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Tests.EndToEnd;

/// <summary>What a provider's host can do to the sealed frames that it passes on: one thing to one of them, the rest as it came.</summary>
/// <param name="what">Read when the frame comes: flip, drop, repeat, swap, end, or <c>null</c> for nothing.</param>
internal sealed class FrameDisturber(Func<string?> what)
{
    /// <summary>Which sealed frame of an answer: before it text has been delivered.</summary>
    private const int At = 4;

    private byte[] _pending = [];
    private byte[]? _held;
    private int _frames;

    /// <summary>Nothing more is to be passed on.</summary>
    public bool IsOver { get; private set; }

    /// <summary>What to pass on of the messages that are whole now.</summary>
    public byte[] Pass(ReadOnlySpan<byte> bytes)
    {
        _pending = [.. _pending, .. bytes];
        List<byte> passed = [];
        while (!IsOver && TryReadMessage(_pending, out byte[] message))
        {
            _pending = _pending[message.Length..];
            foreach (byte[] one in Disturb(message))
            {
                passed.AddRange(one);
            }
        }

        return [.. passed];
    }

    private IEnumerable<byte[]> Disturb(byte[] message)
    {
        ProviderMessage content = ProviderMessage.Parser.ParseDelimitedFrom(new MemoryStream(message));
        if (content.BodyCase != ProviderMessage.BodyOneofCase.Sealed)
        {
            // A session goes on with the next request, which is accepted first.
            _frames = content.BodyCase == ProviderMessage.BodyOneofCase.Accepted ? 0 : _frames;
            return [message];
        }

        if (_held is { } held)
        {
            _held = null;
            return [message, held];
        }

        if (++_frames != At)
        {
            return [message];
        }

        switch (what())
        {
            case "flip":
                byte[] changed = content.Sealed.Data.ToByteArray();
                changed[^20] ^= 4;
                content.Sealed.Data = ByteString.CopyFrom(changed);
                using (MemoryStream flipped = new())
                {
                    content.WriteDelimitedTo(flipped);
                    return [flipped.ToArray()];
                }

            case "drop":
                return [];
            case "repeat":
                return [message, message];
            case "swap":
                _held = message;
                return [];
            case "end":
                IsOver = true;
                return [];
            default:
                return [message];
        }
    }

    private static bool TryReadMessage(ReadOnlySpan<byte> bytes, out byte[] message)
    {
        message = [];
        int length = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            length |= (bytes[i] & 0x7F) << (7 * i);
            if (bytes[i] < 0x80)
            {
                bool isWhole = bytes.Length >= i + 1 + length;
                message = isWhole ? bytes[..(i + 1 + length)].ToArray() : [];
                return isWhole;
            }
        }

        return false;
    }
}
