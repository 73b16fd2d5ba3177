using System.Diagnostics;
using System.Security.Cryptography;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Node.Enclaves;

/// <summary>Keeps one enclave process running: starts it, restarts it with a back-off, and gives others its <see cref="IEnclave"/> side.</summary>
/// <remarks>A crash costs that child only: its sessions end with <see cref="EnclaveEvent.Lost"/>.</remarks>
internal sealed partial class EnclaveSupervisor(EnclaveSupervisorOptions options, TimeProvider time, ILogger<EnclaveSupervisor> logger)
    : IEnclave, IHostedService, IAsyncDisposable
{
    private const int MaxErrorLine = 1024;

    private static readonly TimeSpan HealthyAfter = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly ChildStarter _starter = new();
    private Task _loop = Task.CompletedTask;
    private TaskCompletionSource<EnclaveInfo> _becameReady = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private EnclaveConnection? _connection;
    private EnclaveInfo? _info;
    private int _boots;
    private bool _isDisposed;

    public event Action? Changed;

    public EnclaveStatus Status { get; private set; } = EnclaveStatus.Stopped;

    public EnclaveInfo? Info
    {
        get
        {
            lock (_lock)
            {
                return _info;
            }
        }
    }

    public Load Load { get; private set; } = new();

    public string? LastFault { get; private set; }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _loop = Task.Run(() => SuperviseAsync(_stop.Token), CancellationToken.None);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await _loop.WaitAsync(cancellationToken);
    }

    public Task<EnclaveInfo> WaitReadyAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return _becameReady.Task.WaitAsync(cancellationToken);
        }
    }

    public Task<IEnclaveSession> OpenAsync(ReadOnlyMemory<byte> hello, SignedQuote quote, CancellationToken cancellationToken) =>
        Connection().OpenAsync(hello, quote, cancellationToken);

    public Task<SelfTestReport> SelfTestAsync(CancellationToken cancellationToken) => Connection().SelfTestAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        await _stop.CancelAsync();
        await _loop;
        _starter.Dispose();
        _stop.Dispose();
    }

    private EnclaveConnection Connection()
    {
        lock (_lock)
        {
            return _info is not null && _connection is not null
                ? _connection
                : throw new EnclaveException(EnclaveErrorCode.NotReady, "the enclave is not ready");
        }
    }

    private async Task SuperviseAsync(CancellationToken cancellationToken)
    {
        TimeSpan backoff = options.FirstBackoff;
        while (!cancellationToken.IsCancellationRequested)
        {
            SetStatus(EnclaveStatus.Starting);
            long started = time.GetTimestamp();
            try
            {
                LastFault = await RunChildAsync(cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                break;
            }
            catch (Exception e) when (e is System.ComponentModel.Win32Exception or IOException or InvalidOperationException)
            {
                LastFault = e.Message;
            }

            if (cancellationToken.IsCancellationRequested)
            {
                break;
            }

            backoff = time.GetElapsedTime(started) > HealthyAfter ? options.FirstBackoff : backoff;
            Log.ChildEnded(logger, options.Upstream is null ? options.ModelPath : options.Upstream.ToString(), LastFault, backoff.TotalSeconds);
            SetStatus(EnclaveStatus.Restarting);
            try
            {
                await Task.Delay(backoff, time, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                break;
            }

            backoff = backoff * 2 < options.MaxBackoff ? backoff * 2 : options.MaxBackoff;
        }

        SetStatus(EnclaveStatus.Stopped);
    }

    /// <summary>One child from start to end. Returns why it ended.</summary>
    private async Task<string> RunChildAsync(CancellationToken cancellationToken)
    {
        using Process process = await _starter.StartAsync(EnclaveLaunch.Create(options));
        Task errors = DrainErrorsAsync(process.StandardError);
        await using EnclaveConnection connection = new(
            process.StandardOutput.BaseStream, process.StandardInput.BaseStream, options.MaxSessions, OnFrame, isProcess: true);
        string why;
        Task configured = Task.CompletedTask;
        try
        {
            // A child that does not read lets nothing be written: its time runs from here.
            HostFrame configuration = new() { Configure = Configuration() };
            configured = Task.Run(async () => await connection.PostAsync(configuration, cancellationToken), CancellationToken.None);
            Ready ready = await connection.Ready.WaitAsync(options.StartTimeout, time, cancellationToken);
            RequireExpectedModel(ready);
            SetReady(connection, ready, process.Id);
            why = await connection.Completion.WaitAsync(cancellationToken);
        }
        catch (TimeoutException)
        {
            why = "not ready in time";
        }
        catch (EnclaveException e)
        {
            why = e.Message;
        }
        finally
        {
            lock (_lock)
            {
                _info = null;
                _connection = null;
                Status = EnclaveStatus.Restarting;
                if (_becameReady.Task.IsCompleted)
                {
                    _becameReady = new TaskCompletionSource<EnclaveInfo>(TaskCreationOptions.RunContinuationsAsynchronously);
                }
            }

            await EndAsync(process, connection);
            await configured.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await errors;
        }

        return process.ExitCode is 0 or > 64 and < 80 ? why : $"{why} (exit code {process.ExitCode})";
    }

    private async Task EndAsync(Process process, EnclaveConnection connection)
    {
        using CancellationTokenSource patience = new(options.StopTimeout, time);
        Task told = Task.Run(() => TellToEndAsync(process, connection), CancellationToken.None);
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            await process.WaitForExitAsync(CancellationToken.None);
        }

        await told;
    }

    private static async Task TellToEndAsync(Process process, EnclaveConnection connection)
    {
        await connection.PostAsync(new HostFrame { Shutdown = new Shutdown() }, CancellationToken.None);
        try
        {
            // The end of its input is the second word to go.
            process.StandardInput.Close();
        }
        catch (IOException)
        {
        }
    }

    private Configure Configuration()
    {
        Configure configure = new()
        {
            ModelPath = options.Upstream is null ? Path.GetFullPath(options.ModelPath) : "",
            Upstream = options.Upstream is null ? null : new Upstream { Endpoint = options.Upstream.ToString(), Model = options.UpstreamModel, ApiKey = options.UpstreamKey },
            ModelName = options.ModelName,
            Slots = (uint)options.Slots,
            ContextTokens = (uint)options.ContextTokens,
            Threads = (uint)options.Threads,
            WorkPercent = options.WorkPercent,
            PeerId = ByteString.CopyFrom(options.PeerId.Span),
            NativesPath = options.NativesPath is null ? "" : Path.GetFullPath(options.NativesPath),
            Evidence = options.Evidence,
            Collateral = { EnclaveCollateral.Read(options.CollateralFolder) },
        };
        options.Gpu.Configure(configure);
        return configure;
    }

    /// <exception cref="EnclaveException">The file's bytes are not those that were stored.</exception>
    private void RequireExpectedModel(Ready ready)
    {
        string id = Convert.ToHexStringLower(ready.ModelId.Span);
        if (options.ExpectedModelId is { } expected && id != expected)
        {
            throw new EnclaveException(
                EnclaveErrorCode.Refused, $"the model file is damaged: it was stored with the id {expected[..16]}… and has {id[..Math.Min(16, id.Length)]}… ('cocoon models verify')");
        }
    }

    private void SetReady(EnclaveConnection connection, Ready ready, int processId)
    {
        EnclaveInfo info = new(
            ++_boots, processId, ready, connection.Protections, SHA256.HashData(ready.EvidenceBundle.Span), [.. ready.Keys], ready.KeyEpoch);
        lock (_lock)
        {
            _connection = connection;
            _info = info;
            Status = EnclaveStatus.Ready;
        }

        Log.Ready(logger, ready.ModelName, ready.Tier, ready.EvidenceKind);
        _becameReady.TrySetResult(info);
        Changed?.Invoke();
    }

    private void SetStatus(EnclaveStatus status)
    {
        Status = status;
        Changed?.Invoke();
    }

    private void OnFrame(EnclaveFrame frame)
    {
        switch (frame.BodyCase)
        {
            case EnclaveFrame.BodyOneofCase.Load:
                Load = frame.Load;
                Changed?.Invoke();
                break;
            case EnclaveFrame.BodyOneofCase.KeysRotated:
                ReplaceKeys(frame.KeysRotated);
                Changed?.Invoke();
                break;
            case EnclaveFrame.BodyOneofCase.Fault:
                Log.Fault(logger, frame.Fault.Code, frame.Fault.Message);
                break;
            case EnclaveFrame.BodyOneofCase.Log:
                LogLevel level = frame.Log.Level <= (uint)LogLevel.Critical ? (LogLevel)frame.Log.Level : LogLevel.Critical;
                Log.Said(logger, level, frame.Log.EventId, frame.Log.Message);
                break;
        }
    }

    private void ReplaceKeys(KeysRotated rotated)
    {
        lock (_lock)
        {
            if (_info is not { } info)
            {
                return;
            }

            if (!rotated.EvidenceBundle.IsEmpty)
            {
                Ready ready = info.Ready.Clone();
                ready.EvidenceBundle = rotated.EvidenceBundle;
                info = info with { Ready = ready, EvidenceDigest = SHA256.HashData(rotated.EvidenceBundle.Span) };
            }

            _info = info with { Keys = [.. rotated.Keys], KeyEpoch = rotated.KeyEpoch };
        }
    }

    private async Task DrainErrorsAsync(StreamReader errors)
    {
        char[] buffer = new char[MaxErrorLine];
        int read;
        while ((read = await errors.ReadAsync(buffer)) > 0)
        {
            foreach (string line in new string(buffer, 0, read).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            {
                Log.StandardError(logger, line);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(2201, LogLevel.Information, "enclave ready: model {Model}, tier {Tier}, evidence {Evidence}")]
        public static partial void Ready(ILogger logger, string model, string tier, string evidence);

        [LoggerMessage(2202, LogLevel.Warning, "{Model} is not served: {Reason}; offers are withdrawn, and it is tried again in {Seconds} s")]
        public static partial void ChildEnded(ILogger logger, string model, string? reason, double seconds);

        // What it ends for is said once, with the end.
        [LoggerMessage(2203, LogLevel.Debug, "enclave fault {Code}: {Message}")]
        public static partial void Fault(ILogger logger, string code, string message);

        [LoggerMessage(EventId = 2204, Message = "enclave [{Id}]: {Message}")]
        public static partial void Said(ILogger logger, LogLevel level, uint id, string message);

        [LoggerMessage(2205, LogLevel.Debug, "enclave stderr: {Line}")]
        public static partial void StandardError(ILogger logger, string line);
    }
}
