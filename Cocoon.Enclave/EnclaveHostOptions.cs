using Cocoon.Enclave.Attestation.Tsm;
using Cocoon.Enclave.Hardening;
using Cocoon.Enclave.Inference;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Enclaves.Proto;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave;

/// <summary>Loads the model that a Configure frame names.</summary>
/// <exception cref="EngineException">It cannot.</exception>
internal delegate Task<IInferenceEngine> EngineLoader(Configure configure, ILogger logger, TimeProvider time, CancellationToken cancellationToken);

/// <summary>What an enclave process is made of.</summary>
internal sealed class EnclaveHostOptions
{
    public required IProcessProtection Protection { get; init; }

    public required EngineLoader LoadEngine { get; init; }

    /// <summary>Folder of the engine's libraries that whoever started the process named; <c>null</c>: the program's own.</summary>
    public string? Natives { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Where the kernel hands out hardware evidence.</summary>
    public ITsmReports Reports { get; init; } = new ConfigfsTsmReports();

    /// <summary>Suites that receiving keys are made for, best first.</summary>
    public IReadOnlyList<HpkeSuite> Suites { get; init; } = HpkeSuite.Offered;

    /// <summary>Makes keys although a required protection is off. The evidence says so.</summary>
    public bool AllowUnprotected { get; init; }

    /// <summary>Run a short generation before Ready: measures the rates that offers name, and pays the first request's start-up costs.</summary>
    public bool WarmUp { get; init; }

    /// <summary>The input is a pipe of the system, on which nothing but the host's word or end wakes a reader: it gets a thread of its own.</summary>
    public bool HasOwnPipe { get; init; }

    /// <summary>How often the host hears of load and measured rates.</summary>
    public TimeSpan LoadInterval { get; init; } = TimeSpan.FromSeconds(2);
}
