using System.Numerics;
using System.Text;

namespace Cocoon.Protocol.Ton.Cells;

/// <summary>The three checksums of TON: CRC16/XMODEM (addresses, method ids), CRC32C (bags of cells), CRC32 (TL ids).</summary>
internal static class Checksums
{
    private static readonly ushort[] s_crc16 = Crc16Table();
    private static readonly uint[] s_crc32 = Crc32Table();

    public static ushort Crc16(ReadOnlySpan<byte> data)
    {
        ushort crc = 0;
        foreach (byte value in data)
        {
            crc = (ushort)((crc << 8) ^ s_crc16[(crc >> 8) ^ value]);
        }

        return crc;
    }

    public static uint Crc32C(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        while (data.Length >= 8)
        {
            crc = BitOperations.Crc32C(crc, System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(data));
            data = data[8..];
        }

        foreach (byte value in data)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return ~crc;
    }

    /// <summary>CRC32 (IEEE 802.3).</summary>
    public static uint Crc32(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in data)
        {
            crc = (crc >> 8) ^ s_crc32[(byte)crc ^ value];
        }

        return ~crc;
    }

    /// <summary>The number a get-method is called by.</summary>
    public static int MethodId(string name) => Crc16(Encoding.UTF8.GetBytes(name)) | 0x10000;

    /// <summary>The id of a TL declaration: CRC32 of its text without brackets, and without a closing semicolon.</summary>
    public static uint TlId(string declaration) =>
        Crc32(Encoding.UTF8.GetBytes(declaration.Replace("(", "", StringComparison.Ordinal).Replace(")", "", StringComparison.Ordinal).TrimEnd(';', ' ')));

    private static ushort[] Crc16Table()
    {
        ushort[] table = new ushort[256];
        for (int i = 0; i < 256; i++)
        {
            int crc = i << 8;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
            }

            table[i] = (ushort)crc;
        }

        return table;
    }

    private static uint[] Crc32Table()
    {
        uint[] table = new uint[256];
        for (uint i = 0; i < 256; i++)
        {
            uint crc = i;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
            }

            table[i] = crc;
        }

        return table;
    }
}
