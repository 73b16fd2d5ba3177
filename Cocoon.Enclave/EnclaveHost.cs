using System.Collections.Immutable;
using Cocoon.Enclave.Attestation;
using Cocoon.Enclave.Hardening;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp.Interop;
using Cocoon.Enclave.Ipc;
using Cocoon.Enclave.Sessions;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Enclaves;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave;

/// <summary>The enclave process between its two pipe ends: hardening, model, keys, evidence, then sessions.</summary>
/// <remarks>
/// The order is the point: no key exists before every protection reported its state. The filter comes before the model when
/// inference runs on the CPU; GPU drivers start helpers while they load, so there it comes after.
/// </remarks>
internal sealed partial class EnclaveHost : IAsyncDisposable
{
    public const int ExitOk = 0;
    public const int ExitUnprotected = 70;
    public const int ExitEngine = 71;
    public const int ExitProtocol = 76;

    private readonly EnclaveHostOptions _options;
    private readonly PipeFrameReader<HostFrame> _reader;
    private readonly PipeFrameWriter _writer;
    private readonly PipeLogger _logger = new();
    private readonly CancellationTokenSource _shutdown;
    private readonly TaskCompletionSource _engineLost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IEvidenceSource? _evidenceSource;
    private IInferenceEngine? _engine;
    private EnclaveIdentity? _identity;

    private EnclaveHost(Stream input, Stream output, EnclaveHostOptions options, CancellationToken cancellationToken)
    {
        _options = options;
        _reader = new PipeFrameReader<HostFrame>(input, HostFrame.Parser, options.HasOwnPipe);
        _writer = new PipeFrameWriter(output);
        _shutdown = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
    }

    /// <summary>Serves until the host says so or its end of the pipe closes. Returns the process's exit code.</summary>
    public static async Task<int> RunAsync(Stream input, Stream output, EnclaveHostOptions options, CancellationToken cancellationToken)
    {
        await using EnclaveHost host = new(input, output, options, cancellationToken);
        return await host.RunAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _shutdown.CancelAsync();
        if (_engine is not null)
        {
            await _engine.DisposeAsync();
        }

        _identity?.Dispose();
        (_evidenceSource as IDisposable)?.Dispose();
        _shutdown.Dispose();
    }

    private async Task<int> RunAsync()
    {
        _options.Protection.ApplyEarly();
        Task logs = ForwardLogsAsync(_shutdown.Token);
        try
        {
            if (await ReadConfigureAsync() is not { } configure)
            {
                return ExitOk;
            }

            if (await StartAsync(configure) is { } failure)
            {
                return failure;
            }

            Task serving = Task.Factory.StartNew(
                ServeAsync, CancellationToken.None, _options.HasOwnPipe ? TaskCreationOptions.LongRunning : TaskCreationOptions.None, TaskScheduler.Default).Unwrap();
            if (await Task.WhenAny(serving, _engineLost.Task) == serving || !_options.HasOwnPipe)
            {
                await serving;
            }

            return _engineLost.Task.IsCompleted ? ExitEngine : ExitOk;
        }
        catch (PipeException e)
        {
            await FaultAsync("protocol", e.Message);
            return ExitProtocol;
        }
        catch (IOException)
        {
            // The host is gone.
            return ExitOk;
        }
        finally
        {
            await _shutdown.CancelAsync();
            await logs;
        }
    }

    private async Task<Configure?> ReadConfigureAsync()
    {
        HostFrame? first = await _reader.ReadAsync(_shutdown.Token);
        return first switch
        {
            null or { BodyCase: HostFrame.BodyOneofCase.Shutdown } => null,
            { BodyCase: HostFrame.BodyOneofCase.Configure } => first.Configure,
            _ => throw new PipeException(PipeErrorCode.Unexpected, "the first frame must be configure"),
        };
    }

    /// <summary><c>null</c> when ready, else the exit code.</summary>
    private async Task<int?> StartAsync(Configure configure)
    {
        string natives = configure.NativesPath.Length > 0 ? configure.NativesPath : _options.Natives ?? "";
        bool isForeign = configure.Upstream is null && natives.Length > 0 && !NativesFolder.IsOwn(natives);
        if (isForeign && EvidenceSources.MayBeHardware(configure, _options.Reports))
        {
            // Hardware vouches for the image, and these libraries, which could do everything that this process can, are not of it.
            await FaultAsync("evidence", $"the libraries in {natives} are not this program's own: leave them out, or ask for simulated evidence");
            return ExitUnprotected;
        }

        bool filterFirst = configure.Upstream is not null || configure.GpuLayers == 0 || !GpuDevices.MayExist;
        if (filterFirst)
        {
            _options.Protection.ApplyFilter();
        }

        try
        {
            _engine = await _options.LoadEngine(configure, _logger, _options.Time, _shutdown.Token);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // Edge of the engine: whatever stops the model from loading is the owner's to read. No user data exists yet.
            await FaultAsync(e is EngineException { Code: not EngineErrorCode.Unavailable } engine ? engine.Word : "engine", e.Message);
            return ExitEngine;
        }

        if (!filterFirst)
        {
            _options.Protection.ApplyFilter();
        }

        if (_options.WarmUp)
        {
            await EngineWarmUp.RunAsync(_engine, _logger, _options.Time, _shutdown.Token);
        }

        if (configure.Upstream is not null && configure.Evidence is not ("" or "auto" or "simulated"))
        {
            // A server outside this process sees the prompts: evidence for this process would promise what is not so.
            await FaultAsync("evidence", "an upstream engine is of tier open and takes simulated evidence only");
            return ExitUnprotected;
        }

        _options.Protection.Silence();
        Protections protections = _options.Protection.Report();
        await _writer.WriteAsync(new EnclaveFrame { Protections = protections }, _shutdown.Token);
        if (_options.Protection.Missing is { Count: > 0 } missing && !_options.AllowUnprotected)
        {
            await FaultAsync("unprotected", "not on: " + string.Join(", ", missing));
            return ExitUnprotected;
        }

        _evidenceSource = EvidenceSources.Choose(configure, protections, _options.Reports, _options.Time);
        if (_evidenceSource is null || (isForeign && _evidenceSource.Kind != EvidenceKind.Simulated))
        {
            await FaultAsync("evidence", $"this machine gives no {configure.Evidence} evidence");
            return ExitUnprotected;
        }

        try
        {
            _identity = await EnclaveIdentity.CreateAsync(_evidenceSource, Subject(configure, _engine, protections), _options.Suites, _options.Time, _shutdown.Token);
        }
        catch (EvidenceSourceException e)
        {
            await FaultAsync("evidence", e.Message);
            return ExitUnprotected;
        }

        // Loading reads all metadata of the model and measures: none of it is needed again.
        IdleMemory.Release();
        await _writer.WriteAsync(new EnclaveFrame { Ready = await ReadyAsync(_engine, _identity) }, _shutdown.Token);
        return null;
    }

    private IdentitySubject Subject(Configure configure, IInferenceEngine engine, Protections protections) => new(
        [.. configure.PeerId.Span],
        [.. EngineDigests.Digest(engine.Info)],
        [.. engine.Models.Select(m => m.Id)],
        EnclaveRules.Of(_options, isUpstream: configure.Upstream is not null, protections));

    private async Task<Ready> ReadyAsync(IInferenceEngine engine, EnclaveIdentity identity)
    {
        ServedModel model = engine.Models[0];
        EngineHealth health = await engine.CheckAsync(_shutdown.Token);
        (string hardware, ulong hardwareMemory) = EngineDevice.Summarise(engine.Info.Devices);
        Ready ready = new()
        {
            EvidenceBundle = ByteString.CopyFrom(identity.Current.Bundle),
            IdentityKey = ByteString.CopyFrom(identity.Key.PublicKey.Bytes),
            Keys = { identity.Keys.Records },
            ModelId = ByteString.CopyFrom(model.Id.ToArray()),
            ModelName = model.Name,
            Quantisation = model.Quantization,
            ContextTokens = (uint)model.ContextPerRequest,
            Slots = (uint)model.Slots,
            MaxOutputTokens = (uint)model.ContextPerRequest,
            Engine = $"{engine.Info.Kind} {engine.Info.Version}",
            EngineDigest = ByteString.CopyFrom(EngineDigests.Digest(engine.Info)),
            Tier = identity.Tier.Word(),
            EvidenceKind = identity.Kind.Word(),
            PrefillTokensPerSecond = (float)health.PrefillTokensPerSecond,
            DecodeTokensPerSecond = (float)health.DecodeTokensPerSecond,
            Hardware = hardware,
            HardwareMemoryBytes = hardwareMemory,
            ModelManifest = ByteString.CopyFrom(model.Manifest.CanonicalBytes.Span),
            KeyEpoch = identity.Keys.Epoch,
            TemplateWarning = model.TemplateWarning ?? "",
        };
        ready.Capabilities.Add(Capabilities(engine.Info.Capabilities));
        return ready;
    }

    private static ImmutableArray<string> Capabilities(EngineCapabilities capabilities)
    {
        (EngineCapabilities Flag, string Word)[] words =
        [
            (EngineCapabilities.Chat, "chat"), (EngineCapabilities.Completion, "completion"), (EngineCapabilities.Tools, "tools"),
            (EngineCapabilities.Grammar, "json"), (EngineCapabilities.Embeddings, "embeddings"), (EngineCapabilities.Logprobs, "logprobs"),
        ];
        return [.. words.Where(w => capabilities.HasFlag(w.Flag)).Select(w => w.Word)];
    }

    private async Task ServeAsync()
    {
        EnclaveSessionContext context = new(
            _identity!, _engine!, new RequestOpener(_identity!.Keys, _options.Time), _options.Time, _logger);
        await using SessionTable sessions = new(context, _writer, _shutdown.Token);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(_shutdown.Token);
        Task upkeep = MaintainAsync(sessions, stop);
        try
        {
            while (await _reader.ReadAsync(stop.Token) is { } frame && frame.BodyCase != HostFrame.BodyOneofCase.Shutdown)
            {
                await HandleAsync(frame, sessions);
            }
        }
        catch (OperationCanceledException) when (_engineLost.Task.IsCompleted)
        {
            // The supervisor starts another process.
        }
        finally
        {
            await stop.CancelAsync();
            await _shutdown.CancelAsync();
            await upkeep;
        }
    }

    private async ValueTask HandleAsync(HostFrame frame, SessionTable sessions)
    {
        switch (frame.BodyCase)
        {
            case HostFrame.BodyOneofCase.OpenSession:
                await sessions.OpenAsync(frame.OpenSession);
                break;
            case HostFrame.BodyOneofCase.StartRequest:
                await sessions.StartAsync(frame.StartRequest);
                break;
            case HostFrame.BodyOneofCase.Allow:
                sessions.Find(frame.Allow.Handle)?.Request?.Allow(frame.Allow.UpToDue);
                break;
            case HostFrame.BodyOneofCase.ReportVoucher:
                sessions.Find(frame.ReportVoucher.Handle)?.Request?.ReportVoucher(frame.ReportVoucher.StatementDigest.Span, frame.ReportVoucher.CoversDue);
                break;
            case HostFrame.BodyOneofCase.CancelSession:
                sessions.Find(frame.CancelSession.Handle)?.Request?.Cancel();
                break;
            case HostFrame.BodyOneofCase.CloseSession:
                sessions.Close(frame.CloseSession.Handle);
                break;
            case HostFrame.BodyOneofCase.SelfTest:
                await _writer.WriteAsync(new EnclaveFrame { SelfTestReport = _options.Protection.SelfTest() }, _shutdown.Token);
                break;
            default:
                throw new PipeException(PipeErrorCode.Unexpected, $"frame {frame.BodyCase} now");
        }
    }

    /// <summary>Key rotation, fresh evidence, figures for the host, and memory that is not needed.</summary>
    private async Task MaintainAsync(SessionTable sessions, CancellationTokenSource stop)
    {
        CancellationToken cancellationToken = stop.Token;
        using PeriodicTimer timer = new(_options.LoadInterval, _options.Time);
        Load last = new();
        IdleMemory memory = new();
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                await RotateWhenDueAsync(cancellationToken);
                EngineHealth health = await _engine!.CheckAsync(cancellationToken);
                if (!health.Healthy)
                {
                    // Offers go with the process, so nobody is sent to an engine that cannot answer.
                    await FaultAsync("engine", health.Problem ?? "the engine failed");
                    _engineLost.SetResult();
                    await stop.CancelAsync();
                    return;
                }

                Load load = new()
                {
                    Active = (uint)sessions.Running,
                    Queued = (uint)health.Queued,
                    DecodeTokensPerSecond = (float)health.DecodeTokensPerSecond,
                    PrefillTokensPerSecond = (float)health.PrefillTokensPerSecond,
                };
                if (!load.Equals(last))
                {
                    last = load;
                    await _writer.WriteAsync(new EnclaveFrame { Load = load.Clone() }, cancellationToken);
                }

                if (_options.HasOwnPipe)
                {
                    memory.Look(isWorking: load.Active > 0 || load.Queued > 0);
                }
            }
        }
        catch (OperationCanceledException)
        {
        }
        catch (IOException)
        {
            // The reader notices too and ends the process.
        }
    }

    private async Task RotateWhenDueAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset now = _options.Time.GetUtcNow();
        if (now < _identity!.Keys.RotateAt && !_identity.Keys.IsExhausted)
        {
            return;
        }

        _identity.Keys.Rotate();
        KeysRotated rotated = new() { KeyEpoch = _identity.Keys.Epoch, Keys = { _identity.Keys.Records } };
        if (now - _identity.Current.MadeAt >= EnclaveIdentity.EvidenceLifetime)
        {
            try
            {
                await _identity.RefreshEvidenceAsync(cancellationToken);
                rotated.EvidenceBundle = ByteString.CopyFrom(_identity.Current.Bundle);
            }
            catch (EvidenceSourceException e)
            {
                // The keys rotate nevertheless; with the next ones it is tried again, well before clients call the evidence stale.
                Log.NoEvidence(_logger, e.Message);
            }
        }

        await _writer.WriteAsync(new EnclaveFrame { KeysRotated = rotated }, cancellationToken);
        Log.KeysRotated(_logger, _identity.Keys.Epoch);
    }

    private async Task FaultAsync(string code, string message)
    {
        try
        {
            await _writer.WriteAsync(new EnclaveFrame { Fault = new Fault { Code = code, Message = message } }, CancellationToken.None);
        }
        catch (IOException)
        {
            // Nobody is left to hear it.
        }
    }

    private async Task ForwardLogsAsync(CancellationToken cancellationToken)
    {
        try
        {
            await foreach (EnclaveFrame frame in _logger.Frames.ReadAllAsync(cancellationToken))
            {
                await _writer.WriteAsync(frame, cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
        }
        catch (IOException)
        {
        }
    }

    private static partial class Log
    {
        [LoggerMessage(8001, LogLevel.Information, "enclave keys rotated, epoch {Epoch}")]
        public static partial void KeysRotated(ILogger logger, ulong epoch);

        [LoggerMessage(8002, LogLevel.Warning, "the machine gave no fresh evidence: {Reason}")]
        public static partial void NoEvidence(ILogger logger, string reason);
    }
}
