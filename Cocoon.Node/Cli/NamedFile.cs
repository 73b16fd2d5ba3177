namespace Cocoon.Node.Cli;

/// <summary>Files that a person named: what can be wrong with them is told in words.</summary>
internal static class NamedFile
{
    private const int ChunkBytes = 16 * 1024;

    /// <param name="what">Names the kind of file, such as <c>passphrase file</c>.</param>
    /// <remarks>Also from a pipe, such as a shell's <c>&lt;(…)</c>, which has no length.</remarks>
    /// <exception cref="CliException">Missing, not to be read by us, or longer than <paramref name="maximum"/> bytes.</exception>
    public static byte[] Read(string path, int maximum, string what)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            using MemoryStream content = new();
            byte[] chunk = new byte[ChunkBytes];
            while (file.Read(chunk) is > 0 and var length)
            {
                content.Write(chunk.AsSpan(0, length));
                if (content.Length > maximum)
                {
                    throw new CliException(ExitCode.Usage, $"the {what} {path} is too long", $"at most {maximum} bytes are read");
                }
            }

            return content.ToArray();
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CliException(ExitCode.NotFound, $"there is no {what} {path}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new CliException(ExitCode.Usage, $"the {what} '{path}' cannot be read", exception.Message);
        }
    }
}
