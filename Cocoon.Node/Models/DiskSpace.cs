namespace Cocoon.Node.Models;

/// <summary>Room for models, asked for before the first byte is written.</summary>
internal static class DiskSpace
{
    /// <summary>Left to everything else on the disk: vouchers and keys must still find a place. Own choice.</summary>
    private const long Reserve = 256L << 20;

    public static long FreeAt(string folder) => new DriveInfo(Path.GetFullPath(folder)).AvailableFreeSpace;

    /// <exception cref="ModelException">Fewer than <paramref name="needed"/> bytes and the reserve are free.</exception>
    public static void Require(string folder, string name, long needed, long free)
    {
        if (needed + Reserve > free)
        {
            throw new ModelException(
                ModelErrorCode.NoSpace, $"there is no room for {name}", $"{Sizes.Words(needed + Reserve)} are needed, {Sizes.Words(free)} are free in {folder}",
                "Remove models with 'cocoon models rm', or set COCOON_MODELS to a folder on a larger disk.");
        }
    }
}
