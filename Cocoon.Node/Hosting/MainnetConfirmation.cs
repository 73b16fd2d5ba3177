using Cocoon.Node.Storage;

namespace Cocoon.Node.Hosting;

/// <summary>The owner's one-time consent to real money, kept in the data directory.</summary>
internal static class MainnetConfirmation
{
    private const string FileName = "mainnet-confirmed";

    /// <summary>Whether it was given earlier for the data directory.</summary>
    public static bool IsGiven(string dataDirectory) => File.Exists(Path.Combine(dataDirectory, FileName));

    public static bool IsGiven(DataDirectory directory, bool now)
    {
        string path = directory.File(FileName);
        if (now && !File.Exists(path))
        {
            PrivateFile.Write(path, "confirmed\n"u8);
        }

        return now || File.Exists(path);
    }
}
