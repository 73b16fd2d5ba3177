using Cocoon.Protocol.Enclaves;
using Cocoon.Protocol.Enclaves.Proto;
using Google.Protobuf;

namespace Cocoon.Enclave.Sessions;

/// <summary>What one session may tell its host.</summary>
internal sealed class SessionOutput(PipeFrameWriter pipe, ulong handle)
{
    public ValueTask SealedAsync(byte[] chunk, CancellationToken cancellationToken) => pipe.WriteAsync(
        new EnclaveFrame { Output = new Output { Handle = handle, Sealed = UnsafeByteOperations.UnsafeWrap(chunk) } }, cancellationToken);

    /// <summary>The chunk leaves with what this session says next.</summary>
    public void AppendSealed(byte[] chunk) =>
        pipe.Append(new EnclaveFrame { Output = new Output { Handle = handle, Sealed = UnsafeByteOperations.UnsafeWrap(chunk) } });

    public ValueTask MeteredAsync(ulong due, bool isBlocked, bool isFinal, CancellationToken cancellationToken) =>
        pipe.WriteAsync(Metered(due, isBlocked, isFinal), cancellationToken);

    /// <inheritdoc cref="AppendSealed"/>
    public void AppendMetered(ulong due, bool isFinal) => pipe.Append(Metered(due, isBlocked: false, isFinal));

    public ValueTask RefusedAsync(string reason, CancellationToken cancellationToken) => pipe.WriteAsync(
        new EnclaveFrame { SessionRefused = new SessionRefused { Handle = handle, Reason = reason } }, cancellationToken);

    public ValueTask EndedAsync(
        string outcome, ulong due, Cocoon.Protocol.Sessions.Proto.SignedSettlement settlement, CancellationToken cancellationToken) => pipe.WriteAsync(
        new EnclaveFrame
        {
            SessionEnded = new SessionEnded { Handle = handle, Outcome = outcome, DueNanoton = due, Settlement = settlement },
        },
        cancellationToken);

    private EnclaveFrame Metered(ulong due, bool isBlocked, bool isFinal) =>
        new() { Metered = new Metered { Handle = handle, DueNanoton = due, Blocked = isBlocked, Final = isFinal } };
}
