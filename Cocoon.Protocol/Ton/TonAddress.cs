using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton;

/// <summary>A standard account address, compared as (workchain, account id), never as text.</summary>
internal readonly record struct TonAddress(int Workchain, CellHash Id)
{
    private const int FriendlyLength = 48;

    /// <summary><c>0:hex</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Workchain}:{Id}");

    /// <summary>TEP-2 text of 48 characters. Wallets are shown non-bounceable, contracts bounceable.</summary>
    public string ToFriendly(bool bounceable, bool testOnly = false, bool urlSafe = true)
    {
        Span<byte> bytes = stackalloc byte[36];
        bytes[0] = (byte)((bounceable ? 0x11 : 0x51) | (testOnly ? 0x80 : 0));
        bytes[1] = (byte)checked((sbyte)Workchain);
        Id.CopyTo(bytes[2..]);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[34..], Checksums.Crc16(bytes[..34]));
        string text = Convert.ToBase64String(bytes);
        return urlSafe ? text.Replace('+', '-').Replace('/', '_') : text;
    }

    /// <summary>Either form, raw or friendly.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out TonAddress address) =>
        TryParseRaw(text, out address) || TryParseFriendly(text, out address, out _);

    /// <summary><c>workchain:64 hexadecimal digits</c>, workchain from −128 to 127.</summary>
    public static bool TryParseRaw([NotNullWhen(true)] string? text, out TonAddress address)
    {
        address = default;
        int colon = text?.IndexOf(':', StringComparison.Ordinal) ?? -1;
        if (colon < 1 || text!.Length != colon + 65
            || !sbyte.TryParse(text.AsSpan(0, colon), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out sbyte workchain)
            || text[0] == '+'
            || !CellHash.TryParse(text[(colon + 1)..], out CellHash id))
        {
            return false;
        }

        address = new TonAddress(workchain, id);
        return true;
    }

    /// <summary>TEP-2, both alphabets.</summary>
    public static bool TryParseFriendly([NotNullWhen(true)] string? text, out TonAddress address, out FriendlyFlags flags)
    {
        address = default;
        flags = default;
        Span<byte> bytes = stackalloc byte[36];
        if (text is not { Length: FriendlyLength }
            || text.AsSpan().ContainsAny(" \t\r\n=")
            || !Convert.TryFromBase64String(text.Replace('-', '+').Replace('_', '/'), bytes, out int written)
            || written != bytes.Length
            || Checksums.Crc16(bytes[..34]) != BinaryPrimitives.ReadUInt16BigEndian(bytes[34..])
            || (bytes[0] & 0x7F) is not (0x11 or 0x51))
        {
            return false;
        }

        address = new TonAddress((sbyte)bytes[1], new CellHash(bytes[2..34]));
        flags = new FriendlyFlags((bytes[0] & 0x7F) == 0x11, (bytes[0] & 0x80) != 0);
        return true;
    }

    /// <exception cref="FormatException">Neither form.</exception>
    public static TonAddress Parse(string text) =>
        TryParse(text, out TonAddress address) ? address : throw new FormatException($"'{text}' is not a TON address.");

    /// <summary>What the tag of a friendly address says beside the account.</summary>
    internal readonly record struct FriendlyFlags(bool Bounceable, bool TestOnly);
}
