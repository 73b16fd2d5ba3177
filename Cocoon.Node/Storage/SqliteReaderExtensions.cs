using Microsoft.Data.Sqlite;

namespace Cocoon.Node.Storage;

/// <summary>Columns in the types that the code uses; amounts are stored as SQLite's signed integers below 2^63.</summary>
internal static class SqliteReaderExtensions
{
    public static ulong GetAmount(this SqliteDataReader reader, int column) => checked((ulong)reader.GetInt64(column));

    public static uint GetUInt32(this SqliteDataReader reader, int column) => checked((uint)reader.GetInt64(column));

    public static byte[] GetBytes(this SqliteDataReader reader, int column) => reader.GetFieldValue<byte[]>(column);

    public static byte[]? GetBytesOrNull(this SqliteDataReader reader, int column) =>
        reader.IsDBNull(column) ? null : reader.GetFieldValue<byte[]>(column);

    public static string? GetStringOrNull(this SqliteDataReader reader, int column) =>
        reader.IsDBNull(column) ? null : reader.GetString(column);
}
