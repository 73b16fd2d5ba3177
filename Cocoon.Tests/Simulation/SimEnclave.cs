using Cocoon.Node.Enclaves;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Tests.Simulation;

/// <summary>An enclave that is always ready and never asked: offers are made of what it says about itself.</summary>
internal sealed class SimEnclave(byte[] modelId, string modelName) : IEnclave
{
    public event Action? Changed
    {
        add { }
        remove { }
    }

    public EnclaveStatus Status => EnclaveStatus.Ready;

    public EnclaveInfo? Info { get; } = new(
        1,
        1,
        new Ready
        {
            ModelId = ByteString.CopyFrom(modelId),
            ModelName = modelName,
            Quantisation = "Q4_0",
            ContextTokens = 8192,
            Slots = 8,
            MaxOutputTokens = 4096,
            Engine = "llama.cpp 0.5.0",
            EngineDigest = ByteString.CopyFrom(new byte[32]),
            Tier = "open",
            EvidenceKind = "simulated",
            PrefillTokensPerSecond = 1000,
            DecodeTokensPerSecond = 50,
            Hardware = "simulated GPU",
            HardwareMemoryBytes = 24UL << 30,
            Capabilities = { "chat", "tools", "json" },
        },
        new Protections(),
        new byte[32],
        [],
        1);

    public Load Load { get; } = new();

    public string? LastFault => null;

    public Task<EnclaveInfo> WaitReadyAsync(CancellationToken cancellationToken) => Task.FromResult(Info!);

    /// <summary>Opens a session, where a test has one.</summary>
    public Func<IEnclaveSession> Open { get; init; } = () => throw new NotSupportedException("Nobody asks in a simulation of discovery.");

    public Task<IEnclaveSession> OpenAsync(ReadOnlyMemory<byte> hello, SignedQuote quote, CancellationToken cancellationToken) => Task.FromResult(Open());

    public Task<SelfTestReport> SelfTestAsync(CancellationToken cancellationToken) => throw new NotSupportedException();
}
