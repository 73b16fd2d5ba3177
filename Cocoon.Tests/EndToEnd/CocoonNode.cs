using System.Diagnostics;
using System.Text.Json.Nodes;
using Cocoon.Node.Control;
using Cocoon.Node.Diagnostics;

namespace Cocoon.Tests.EndToEnd;

/// <summary>One node as an operating-system process: its ready line, its log, its control socket, and every way to end it.</summary>
internal sealed class CocoonNode : IAsyncDisposable
{
    /// <summary>The node's own shutdown time and a little more.</summary>
    private static readonly TimeSpan s_stopTime = TimeSpan.FromSeconds(25);

    private static readonly TimeSpan s_startTime = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly Task _errors;
    private readonly Task _output;
    private readonly TaskCompletionSource<JsonObject> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly long _started = Stopwatch.GetTimestamp();
    private bool _ended;

    private CocoonNode(string name, IReadOnlyList<string> arguments, string dataDirectory, Process process)
    {
        Name = name;
        Arguments = arguments;
        DataDirectory = dataDirectory;
        _process = process;
        ProcessId = process.Id;
        Control = new ControlClient(dataDirectory);
        _errors = CopyAsync(process.StandardError, LogPath, seen: null);
        _output = CopyAsync(process.StandardOutput, dataDirectory + ".out", OnOutput);
    }

    public string Name { get; }

    public IReadOnlyList<string> Arguments { get; }

    public string DataDirectory { get; }

    /// <summary>Everything that this node and earlier ones with this data directory wrote to stderr.</summary>
    public string LogPath => DataDirectory + ".log";

    public int ProcessId { get; }

    public ControlClient Control { get; }

    public JsonObject Ready => _ready.Task.Result;

    public string PeerId => (string)Ready["peer_id"]!;

    /// <summary>First address with <c>/p2p/</c>.</summary>
    public string Address => (string)Ready["addresses"]![0]!;

    /// <summary>Base URL of a client's OpenAI API, ending in <c>/v1</c>.</summary>
    public Uri Api => new((string)Ready["base_url"]!);

    /// <summary>Time since the process was started.</summary>
    public TimeSpan Age => Stopwatch.GetElapsedTime(_started);

    public bool IsAlive => Signals.IsAlive(ProcessId);

    /// <param name="command">The program's command line before its arguments; <c>null</c>: that of the build.</param>
    public static async Task<CocoonNode> StartAsync(
        string name, IReadOnlyList<string> arguments, string dataDirectory, CancellationToken cancellationToken, IReadOnlyList<string>? command = null)
    {
        CocoonNode node = Launch(name, arguments, dataDirectory, crashAt: null, command);
        try
        {
            await node._ready.Task.WaitAsync(s_startTime, cancellationToken);
            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the process without waiting for it to be ready: it may be meant to die before.</summary>
    /// <param name="crashAt">Step at which the process shall end as by SIGKILL; <c>null</c>: none.</param>
    /// <param name="command">The program's command line before its arguments; <c>null</c>: that of the build.</param>
    public static CocoonNode Launch(
        string name, IReadOnlyList<string> arguments, string dataDirectory, string? crashAt, IReadOnlyList<string>? command = null)
    {
        ProcessStartInfo start = CocoonProgram.Launch([.. arguments, "--ready-json", "--data", dataDirectory], command);
        if (crashAt is not null)
        {
            start.Environment[CrashPoint.Variable] = crashAt;
        }

        return new CocoonNode(name, arguments, dataDirectory, Process.Start(start)!);
    }

    /// <summary>Whether it is ready; <c>false</c>: it ended before.</summary>
    public async Task<bool> IsReadyAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _ready.Task.WaitAsync(s_startTime, cancellationToken);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>Waits until the process has ended by itself; its exit code, 137 after SIGKILL.</summary>
    public async Task<int> WaitForEndAsync(CancellationToken cancellationToken)
    {
        await _process.WaitForExitAsync(cancellationToken);
        int code = _process.ExitCode;
        await EndAsync();
        return code;
    }

    public Task<JsonObject> GetAsync(string path, CancellationToken cancellationToken) => Control.GetAsync(path, cancellationToken);

    /// <summary>The one channel that matches, or <c>null</c>.</summary>
    public async Task<JsonObject?> ChannelAsync(Func<JsonObject, bool> match, CancellationToken cancellationToken) =>
        (await GetAsync("/control/channels", cancellationToken))["channels"]!.AsArray().OfType<JsonObject>().SingleOrDefault(match);

    /// <summary>Process id of the provider's enclave, once it serves.</summary>
    public async Task<int> EnclaveIdAsync(CancellationToken cancellationToken)
    {
        JsonObject engine = (await GetAsync("/control/status", cancellationToken))["engine"]!.AsObject();
        return (int)engine["process_id"]! is > 0 and int id ? id : throw new InvalidOperationException($"{Name} has no enclave: {engine.ToJsonString()}");
    }

    /// <summary>SIGKILL, and the end of the process seen.</summary>
    public async Task KillAsync()
    {
        Signals.SendKill(ProcessId);
        await EndAsync();
    }

    /// <summary>SIGTERM; the exit code.</summary>
    /// <exception cref="TimeoutException">The node did not stop in its time; it was killed.</exception>
    public async Task<int> StopAsync()
    {
        Signals.SendTerminate(ProcessId);
        using CancellationTokenSource limit = new(s_stopTime);
        try
        {
            await _process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            await KillAsync();
            throw new TimeoutException($"{Name} did not stop within {s_stopTime.TotalSeconds:0} s of SIGTERM; its log ends:\n{LogTail()}");
        }

        int code = _process.ExitCode;
        await EndAsync();
        return code;
    }

    public string LogTail()
    {
        string[] lines = File.Exists(LogPath) ? File.ReadAllLines(LogPath) : [];
        return string.Join('\n', lines[Math.Max(0, lines.Length - 20)..]);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_ended)
        {
            if (!_process.HasExited)
            {
                Signals.Thaw(ProcessId);
                Signals.SendTerminate(ProcessId);
                using CancellationTokenSource limit = new(s_stopTime);
                await _process.WaitForExitAsync(limit.Token).ContinueWith(static _ => { }, TaskScheduler.Default);
                Signals.SendKill(ProcessId);
            }

            await EndAsync();
        }

        Control.Dispose();
        _process.Dispose();
    }

    private async Task EndAsync()
    {
        _ended = true;
        await _process.WaitForExitAsync();
        _ready.TrySetException(new InvalidOperationException($"{Name} ended with code {_process.ExitCode} before it was ready:\n{LogTail()}"));
        await _errors;
        await _output;
    }

    private void OnOutput(string? line)
    {
        if (line is null)
        {
            _ready.TrySetException(new InvalidOperationException($"{Name} ended before it was ready:\n{LogTail()}"));
        }
        else if (line.StartsWith('{') && JsonNode.Parse(line) is JsonObject ready)
        {
            _ready.TrySetResult(ready);
        }
    }

    private static async Task CopyAsync(StreamReader source, string path, Action<string?>? seen)
    {
        await using StreamWriter target = new(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite)) { AutoFlush = true };
        while (await source.ReadLineAsync() is { } line)
        {
            await target.WriteLineAsync(line);
            seen?.Invoke(line);
        }

        seen?.Invoke(null);
    }
}
