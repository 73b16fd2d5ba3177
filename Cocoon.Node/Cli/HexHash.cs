using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Cli;

/// <summary>A digest as people type it: 64 hexadecimal digits.</summary>
internal static class HexHash
{
    /// <exception cref="CliException">Something else.</exception>
    public static CellHash Parse(string text)
    {
        Span<byte> bytes = stackalloc byte[CellHash.Size];
        return text.Length == 2 * CellHash.Size && Convert.FromHexString(text, bytes, out _, out int written) == System.Buffers.OperationStatus.Done && written == bytes.Length
            ? new CellHash(bytes)
            : throw new CliException(ExitCode.Usage, $"'{text}' is no SHA-256 digest", "64 hexadecimal digits are expected");
    }
}
