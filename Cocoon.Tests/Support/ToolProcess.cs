using System.Diagnostics;

namespace Cocoon.Tests.Support;

/// <summary>A helper verb of this executable as a child process, so that a test can kill it in the middle of its work.</summary>
internal sealed class ToolProcess : IDisposable
{
    private readonly Process _process;

    private ToolProcess(Process process) => _process = process;

    public static ToolProcess Start(params ReadOnlySpan<string> arguments) => StartWith([], arguments);

    /// <param name="prefix">A program and its arguments that runs the tool, such as one that changes the user.</param>
    public static ToolProcess StartWith(ReadOnlySpan<string> prefix, params ReadOnlySpan<string> arguments)
    {
        string dotnet = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
        ProcessStartInfo start = new(prefix.IsEmpty ? dotnet : prefix[0])
        {
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        };
        foreach (string argument in prefix.IsEmpty ? [] : (string[])[.. prefix[1..], dotnet])
        {
            start.ArgumentList.Add(argument);
        }

        start.ArgumentList.Add("exec");
        start.ArgumentList.Add(typeof(ToolProcess).Assembly.Location);
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        return new ToolProcess(Process.Start(start) ?? throw new InvalidOperationException("The tool did not start."));
    }

    /// <summary><c>null</c> when the child ended.</summary>
    public async Task<string?> ReadLineAsync(CancellationToken cancellationToken) => await _process.StandardOutput.ReadLineAsync(cancellationToken);

    public Task WriteLineAsync(string line) => _process.StandardInput.WriteLineAsync(line);

    /// <summary>SIGKILL: no handler of the child runs. Lines it had written can still be read.</summary>
    public async Task KillAsync(CancellationToken cancellationToken)
    {
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync(cancellationToken);
    }

    /// <summary>As <see cref="KillAsync"/>, but leaves the tool's own children alone.</summary>
    public async Task KillHostOnlyAsync(CancellationToken cancellationToken)
    {
        _process.Kill();
        await _process.WaitForExitAsync(cancellationToken);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }
}
