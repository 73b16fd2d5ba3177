using Cocoon.Tests.Support;

namespace Cocoon.Tests.EndToEnd;

/// <summary>Searches the memory of a process as another user than the tests' own.</summary>
internal static class MemorySearchTool
{
    public const string Verb = "search-memory";
    public const string Denied = "denied";

    /// <summary>Prints how much was read and in how many places the text was; or that none may be read.</summary>
    public static int Run(int processId, string text, TextWriter output)
    {
        try
        {
            SearchResult result = ByteSearch.Memory(processId, SearchPattern.FormsOf(text));
            output.WriteLine($"{result.Searched} bytes, {result.Found.Count} places");
        }
        catch (UnauthorizedAccessException)
        {
            output.WriteLine(Denied);
        }

        return 0;
    }

    /// <summary>The line that it prints.</summary>
    public static async Task<string?> RunAsync(OrdinaryUser user, int processId, string text, CancellationToken cancellationToken)
    {
        using ToolProcess tool = ToolProcess.StartWith(user.Prefix, Verb, processId.ToString(System.Globalization.CultureInfo.InvariantCulture), text);
        return await tool.ReadLineAsync(cancellationToken);
    }
}
