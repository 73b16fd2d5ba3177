using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Cocoon.Node.Cli.Rendering;

/// <summary>Standard output for commands that go on: each line leaves at once, and a reader that went away is noticed.</summary>
/// <remarks><see cref="Console.Out"/> hides a broken pipe, so that <c>cocoon events | head -1</c> would never end.</remarks>
internal sealed class StreamOutput : IAsyncDisposable
{
    private readonly Stream _stream = Open();

    /// <summary>Nobody reads any more: time to end.</summary>
    public bool IsClosed { get; private set; }

    public void WriteLine(string line)
    {
        try
        {
            _stream.Write(Encoding.UTF8.GetBytes(line + '\n'));
        }
        catch (IOException)
        {
            IsClosed = true;
        }
    }

    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    /// <summary>In a file the console's stream is right: a stream of our own would keep a position of its own, and the next program write over it.</summary>
    private static Stream Open()
    {
        if (OperatingSystem.IsWindows())
        {
            return Console.OpenStandardOutput();
        }

        FileStream own = new(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        return own.CanSeek ? Console.OpenStandardOutput() : own;
    }
}
