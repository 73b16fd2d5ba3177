using Cocoon.Enclave.Attestation;
using Cocoon.Enclave.Inference;
using Cocoon.Protocol.Sessions;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave.Sessions;

/// <summary>What all sessions of an enclave share.</summary>
internal sealed record EnclaveSessionContext(
    EnclaveIdentity Identity, IInferenceEngine Engine, RequestOpener Opener, TimeProvider Time, ILogger Logger)
{
    public ServedModel Model => Engine.Models[0];

    /// <summary>How long a parked slot waits for money, and an ended session for its last voucher.</summary>
    public static readonly TimeSpan PaymentWait = TimeSpan.FromSeconds(10);
}
