using System.Text.Json;
using Cocoon.Node.Storage;

namespace Cocoon.Node.Models;

/// <summary>What of a download is on the disk, so that an interrupted one goes on.</summary>
/// <param name="Validator">Entity tag or date of the remote file: another one means another file.</param>
/// <param name="Done">Segments that are complete and flushed.</param>
internal sealed record DownloadState(string Address, string? Validator, long Size, int SegmentSize, IReadOnlyList<int> Done)
{
    private const long MaxFile = 4 << 20;

    public int Segments => (int)((Size + SegmentSize - 1) / SegmentSize);

    public static DownloadState? Load(string path)
    {
        try
        {
            return File.Exists(path) && new FileInfo(path).Length <= MaxFile ? JsonSerializer.Deserialize<DownloadState>(File.ReadAllBytes(path), ModelJson.Options) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public void Save(string path) => PrivateFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(this, ModelJson.Options));
}
