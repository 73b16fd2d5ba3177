using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Cocoon.Node.Cli.Rendering;

/// <summary>Standard output for commands that go on: each line leaves at once, and a reader that went away is noticed.</summary>
/// <remarks>
/// <see cref="Console.Out"/> hides a broken pipe, so that <c>cocoon events | head -1</c> would never end; and a command that has nothing to
/// write would not see one, so that it is looked for.
/// </remarks>
internal sealed partial class StreamOutput : IAsyncDisposable
{
    private const int StandardOutput = 1;

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(200);

    private readonly Stream _stream = Open();
    private readonly CancellationTokenSource _readerGone = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _looking;

    public StreamOutput() => _looking = OperatingSystem.IsWindows() ? Task.CompletedTask : LookAsync();

    /// <summary>Nobody reads any more: time to end.</summary>
    public bool IsClosed => _readerGone.IsCancellationRequested;

    /// <summary>Cancelled when nobody reads any more.</summary>
    public CancellationToken ReaderGone => _readerGone.Token;

    public void WriteLine(string line)
    {
        try
        {
            _stream.Write(Encoding.UTF8.GetBytes(line + '\n'));
        }
        catch (IOException)
        {
            _readerGone.Cancel();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _looking;
        await _stream.DisposeAsync();
        _stopping.Dispose();
        _readerGone.Dispose();
    }

    /// <summary>In a file the console's stream is right: a stream of our own would keep a position of its own, and the next program write over it.</summary>
    private static Stream Open()
    {
        if (OperatingSystem.IsWindows())
        {
            return Console.OpenStandardOutput();
        }

        FileStream own = new(new SafeFileHandle(StandardOutput, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        return own.CanSeek ? Console.OpenStandardOutput() : own;
    }

    private async Task LookAsync()
    {
        using PeriodicTimer timer = new(Look);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                // Nothing is waited for: a pipe or socket without a reader shows as an error by itself.
                PollDescriptor descriptor = new() { Descriptor = StandardOutput };
                if (Poll(ref descriptor, 1, 0) > 0)
                {
                    await _readerGone.CancelAsync();
                    return;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The command is over.
        }
    }

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(ref PollDescriptor descriptors, nuint count, int timeoutMilliseconds);

    /// <summary><c>struct pollfd</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
