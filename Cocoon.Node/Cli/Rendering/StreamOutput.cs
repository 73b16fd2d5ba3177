using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Cocoon.Node.Cli.Rendering;

/// <summary>Standard output for commands that go on: each line leaves at once, and a reader that went away is noticed.</summary>
/// <remarks><see cref="Console.Out"/> hides a broken pipe, so that <c>cocoon events | head -1</c> would never end.</remarks>
internal sealed class StreamOutput : IAsyncDisposable
{
    private readonly Stream _stream = OperatingSystem.IsWindows()
        ? Console.OpenStandardOutput()
        : new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);

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
}
