using System.IO.Pipelines;
using Cocoon.Enclave;
using Cocoon.Enclave.Attestation.Tsm;
using Cocoon.Node.Enclaves;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Inference;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Tests.Support;
using Google.Protobuf;

namespace Cocoon.Tests.Enclave.Sessions;

/// <summary>A whole enclave in this process, the host's end of its pipe, and a client that appraises it.</summary>
internal sealed class EnclavePair : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Pipe _toEnclave = new();
    private readonly Pipe _toHost = new();
    private readonly Ed25519PrivateKey _peerKey = Ed25519PrivateKey.Generate();
    private readonly CancellationTokenSource _stop = new();

    private EnclavePair(ManualTimeProvider? time, FakeEngine engine, ITsmReports? reports, string[] missing)
    {
        Time = time;
        Engine = engine;
        Peer = PeerId.FromPublicKey(_peerKey.PublicKey);
        EnclaveHostOptions options = new()
        {
            Protection = new NoProtection(missing),
            LoadEngine = (_, _, _, _) => Task.FromResult<Cocoon.Enclave.Inference.IInferenceEngine>(engine),
            Time = time ?? TimeProvider.System,
            Reports = reports ?? new ConfigfsTsmReports(),
        };
        Run = Task.Run(() => EnclaveHost.RunAsync(_toEnclave.Reader.AsStream(), _toHost.Writer.AsStream(), options, _stop.Token));
        Connection = new EnclaveConnection(_toHost.Reader.AsStream(), _toEnclave.Writer.AsStream(), 64, Notices.Enqueue);
    }

    public ManualTimeProvider? Time { get; }

    public FakeEngine Engine { get; }

    public PeerId Peer { get; }

    public EnclaveConnection Connection { get; }

    public System.Collections.Concurrent.ConcurrentQueue<EnclaveFrame> Notices { get; } = new();

    public Task<int> Run { get; }

    public Ready Ready { get; private set; } = null!;

    public ModelId Model => Engine.Models[0].Id;

    public Prices Prices { get; } = new() { Prompt = 1_000_000, Cached = 500_000, Completion = 3_000_000 };

    public static async Task<EnclavePair> StartAsync(ManualTimeProvider? time = null, FakeEngine? engine = null, ITsmReports? reports = null)
    {
        EnclavePair pair = new(time, engine ?? new FakeEngine(), reports, []);
        await pair.ConfigureAsync();
        pair.Ready = await pair.Connection.Ready.WaitAsync(Patience);
        return pair;
    }

    public static EnclavePair Create(ManualTimeProvider? time = null, FakeEngine? engine = null, params string[] missing) =>
        new(time, engine ?? new FakeEngine(), reports: null, missing);

    /// <summary>On a machine whose kernel hands out hardware evidence.</summary>
    public static EnclavePair CreateOn(ITsmReports reports) => new(time: null, new FakeEngine(), reports, []);

    /// <param name="change">What the host makes of the configuration.</param>
    public ValueTask ConfigureAsync(Func<Configure, Configure>? change = null)
    {
        Configure configure = new() { ModelPath = "/fake", PeerId = ByteString.CopyFrom(Peer.Bytes) };
        return Connection.PostAsync(new HostFrame { Configure = change?.Invoke(configure) ?? configure }, CancellationToken.None);
    }

    /// <summary>Hello, Welcome, appraisal.</summary>
    public Task<ClientSession> OpenAsync(uint unit = 64, bool fresh = false, uint version = SessionVersions.Several) => ClientSession.OpenAsync(
        (hello, quote) => Connection.OpenAsync(hello, quote, CancellationToken.None), _peerKey, Model, Prices, unit, Time ?? TimeProvider.System, fresh, version);

    public async ValueTask DisposeAsync()
    {
        await _toEnclave.Writer.CompleteAsync();
        await Run.WaitAsync(Patience);
        await _toHost.Writer.CompleteAsync();

        // What the enclave said last is to be heard before the host stops listening.
        await Connection.Completion.WaitAsync(Patience);
        await Connection.DisposeAsync();
        await _stop.CancelAsync();
        _stop.Dispose();
        _peerKey.Dispose();
    }
}
