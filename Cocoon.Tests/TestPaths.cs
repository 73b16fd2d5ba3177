namespace Cocoon.Tests;

/// <summary>Where tests find the repository and, when it is there, the folder of shared vectors beside it.</summary>
internal static class TestPaths
{
    public static string RepositoryRoot { get; } = FindRoot();

    /// <summary>The shared vectors folder, or <c>null</c> where it is absent: such tests skip by name.</summary>
    public static string? Vectors { get; } =
        Path.GetFullPath(Path.Combine(RepositoryRoot, "..", "shared", "vectors")) is var path && Directory.Exists(path) ? path : null;

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Cocoon.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("Cocoon.sln not found above " + AppContext.BaseDirectory);
    }
}
