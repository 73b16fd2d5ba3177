using System.Text;
using System.Text.Json;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.LiteClient;

namespace Cocoon.Node.Storage;

/// <summary>The newest proven key block in a file of the data directory. A damaged file is as good as none.</summary>
internal sealed partial class TrustedBlockFile(string path, ILogger<TrustedBlockFile> logger) : ITrustedBlocks
{
    private const int MaxBytes = 1024;

    public BlockId? Load(BlockId anchor)
    {
        try
        {
            if (!File.Exists(path) || JsonSerializer.Deserialize<Saved>(PrivateFile.Read(path, MaxBytes)) is not { } saved || saved.Anchor != anchor.RootHash.ToString())
            {
                return null;
            }

            return CellHash.TryParse(saved.RootHash, out CellHash root) && CellHash.TryParse(saved.FileHash, out CellHash file)
                ? new BlockId(BlockId.Masterchain, BlockId.WholeShard, saved.Seqno, root, file)
                : null;
        }
        catch (Exception fault) when (fault is JsonException or IOException or StorageException)
        {
            Log.NotRead(logger, path, fault.Message);
            return null;
        }
    }

    public void Save(BlockId anchor, BlockId keyBlock)
    {
        Saved saved = new(anchor.RootHash.ToString(), keyBlock.Seqno, keyBlock.RootHash.ToString(), keyBlock.FileHash.ToString());
        try
        {
            PrivateFile.Write(path, Encoding.UTF8.GetBytes(JsonSerializer.Serialize(saved)));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Log.NotSaved(logger, path, fault.Message);
        }
    }

    private sealed record Saved(string Anchor, uint Seqno, string RootHash, string FileHash);

    private static partial class Log
    {
        [LoggerMessage(7601, LogLevel.Warning, "The proven block in {Path} cannot be read: {Problem}. Blocks are proven from the anchor again.")]
        public static partial void NotRead(ILogger logger, string path, string problem);

        [LoggerMessage(7602, LogLevel.Warning, "The proven block cannot be saved to {Path}: {Problem}")]
        public static partial void NotSaved(ILogger logger, string path, string problem);
    }
}
