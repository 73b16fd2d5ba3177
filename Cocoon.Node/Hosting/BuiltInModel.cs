namespace Cocoon.Node.Hosting;

/// <summary>The chat model that comes with the program, so that everything runs with no download.</summary>
internal static class BuiltInModel
{
    public const string Name = "cocoon-guide";

    public static string Path { get; } = System.IO.Path.Combine(AppContext.BaseDirectory, "models", "cocoon-guide.gguf");
}
