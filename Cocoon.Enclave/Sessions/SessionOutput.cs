using Cocoon.Protocol.Enclaves;
using Cocoon.Protocol.Enclaves.Proto;
using Google.Protobuf;

namespace Cocoon.Enclave.Sessions;

/// <summary>What one session may tell its host.</summary>
internal sealed class SessionOutput(PipeFrameWriter pipe, ulong handle)
{
    public ValueTask SealedAsync(byte[] chunk, CancellationToken cancellationToken) => pipe.WriteAsync(
        new EnclaveFrame { Output = new Output { Handle = handle, Sealed = UnsafeByteOperations.UnsafeWrap(chunk) } }, cancellationToken);

    public ValueTask MeteredAsync(ulong due, bool isBlocked, bool isFinal, CancellationToken cancellationToken) => pipe.WriteAsync(
        new EnclaveFrame { Metered = new Metered { Handle = handle, DueNanoton = due, Blocked = isBlocked, Final = isFinal } }, cancellationToken);

    public ValueTask RefusedAsync(string reason, CancellationToken cancellationToken) => pipe.WriteAsync(
        new EnclaveFrame { SessionRefused = new SessionRefused { Handle = handle, Reason = reason } }, cancellationToken);

    public ValueTask EndedAsync(
        string outcome, ulong due, Cocoon.Protocol.Sessions.Proto.SignedSettlement settlement, CancellationToken cancellationToken) => pipe.WriteAsync(
        new EnclaveFrame
        {
            SessionEnded = new SessionEnded { Handle = handle, Outcome = outcome, DueNanoton = due, Settlement = settlement },
        },
        cancellationToken);
}
