using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Enclaves;

internal enum EnclaveStatus
{
    /// <summary>The child runs and has not said that it is ready: it is hardening itself or loading the model.</summary>
    Starting = 0,

    Ready = 1,

    /// <summary>The child ended; the next one starts after a back-off.</summary>
    Restarting = 2,

    Stopped = 3,
}

/// <summary>What a ready enclave says about itself. Ready.Keys are those of the start; <see cref="Keys"/> are the current ones.</summary>
/// <param name="Boot">Counts the children of this supervisor, from 1.</param>
/// <param name="EvidenceDigest">SHA-256 of the evidence bundle.</param>
internal sealed record EnclaveInfo(
    int Boot,
    int ProcessId,
    Ready Ready,
    Protections Protections,
    ReadOnlyMemory<byte> EvidenceDigest,
    IReadOnlyList<SignedKeyRecord> Keys,
    ulong KeyEpoch);

/// <summary>The enclave as its host sees it: sealed bytes and cumulative amounts, never plaintext.</summary>
/// <remarks>Thread-safe.</remarks>
internal interface IEnclave
{
    EnclaveStatus Status { get; }

    /// <summary><c>null</c> unless <see cref="EnclaveStatus.Ready"/>. Replaced as a whole when keys rotate.</summary>
    EnclaveInfo? Info { get; }

    /// <summary>The latest figures the enclave sent; empty before the first.</summary>
    Load Load { get; }

    /// <summary>Why the last child ended or did not become ready, for people; <c>null</c> when none did.</summary>
    string? LastFault { get; }

    /// <summary>Status, keys or load changed. Handlers return quickly and do not throw.</summary>
    event Action? Changed;

    /// <summary>Completes when an enclave is ready; goes on waiting over restarts.</summary>
    Task<EnclaveInfo> WaitReadyAsync(CancellationToken cancellationToken);

    /// <summary>Answers a client's Hello: the enclave composes and signs the Welcome around our quote.</summary>
    /// <param name="hello">The exact bytes of the client's Hello message.</param>
    /// <exception cref="EnclaveException">Not ready, too many sessions, or the enclave refused the Hello.</exception>
    Task<IEnclaveSession> OpenAsync(ReadOnlyMemory<byte> hello, SignedQuote quote, CancellationToken cancellationToken);

    /// <summary>Lets the child try what it must not be able to do.</summary>
    Task<SelfTestReport> SelfTestAsync(CancellationToken cancellationToken);
}

/// <summary>One session inside the enclave, from its Welcome on: requests one after the other, each from its start to its settlement.</summary>
/// <remarks>
/// Thread-safe; one reader of the events. The calls post a frame and return; they do nothing once the request, or the session, ended.
/// Dispose to forget the session: the enclave cancels it when it still runs.
/// </remarks>
internal interface IEnclaveSession : IAsyncDisposable
{
    /// <summary>16 bytes.</summary>
    ReadOnlyMemory<byte> SessionId { get; }

    Welcome Welcome { get; }

    /// <param name="header">The exact bytes of the client's RoutingHeader.</param>
    /// <summary>Starts a request: the first, or the next once the events ended with <see cref="EnclaveEvent.Ended"/>.</summary>
    /// <param name="upToDue">First grant, nanoTON; the voucher that came with the request covers as much.</param>
    /// <param name="statementDigest">SHA-256 of that voucher's statement; empty when there was none.</param>
    ValueTask StartAsync(
        ReadOnlyMemory<byte> header, ReadOnlyMemory<byte> sealedRequest, ulong upToDue, ReadOnlyMemory<byte> statementDigest, CancellationToken cancellationToken);

    /// <summary>Raises the cumulative nanoTON of this session that the host lets run; lower values are ignored.</summary>
    ValueTask AllowAsync(ulong upToDue, CancellationToken cancellationToken);

    /// <summary>
    /// Tells which voucher statement covers the session, for settlement and receipt. After <see cref="EnclaveEvent.Metered"/> with
    /// <c>IsFinal</c> the enclave ends the session at the first report that covers the due, and without one after a short wait.
    /// </summary>
    /// <param name="coversDue">How much of this session's due the voucher covers, nanoTON.</param>
    ValueTask ReportVoucherAsync(ReadOnlyMemory<byte> statementDigest, ulong coversDue, CancellationToken cancellationToken);

    /// <summary>Stops the slot within one decode step; the events still end with <see cref="EnclaveEvent.Ended"/>.</summary>
    ValueTask CancelAsync(CancellationToken cancellationToken);

    /// <summary>
    /// What the enclave says of the running request, in order. Ends after exactly one of <see cref="EnclaveEvent.Ended"/>, <see cref="EnclaveEvent.Refused"/>
    /// or <see cref="EnclaveEvent.Lost"/>. A reader that leaves more than 4 MiB waiting loses the session.
    /// </summary>
    IAsyncEnumerable<EnclaveEvent> ReadEventsAsync(CancellationToken cancellationToken);
}

/// <summary>What an enclave says about one session. A closed set.</summary>
internal abstract record EnclaveEvent
{
    private EnclaveEvent()
    {
    }

    /// <summary>One sealed frame for the client, as it is.</summary>
    public sealed record Output(ReadOnlyMemory<byte> Sealed) : EnclaveEvent;

    /// <summary>
    /// The cumulative due: exact in fast shape, rounded up to the quote's unit at 2-second edges otherwise, exact when
    /// <paramref name="IsFinal"/> (then possibly lower than the rounded one before). <paramref name="IsBlocked"/>: parked until
    /// <see cref="IEnclaveSession.AllowAsync"/> covers <paramref name="DueNanoton"/>, at most 10 seconds.
    /// </summary>
    public sealed record Metered(ulong DueNanoton, bool IsBlocked, bool IsFinal) : EnclaveEvent;

    /// <param name="Outcome">finished, cancelled, failed or unpaid.</param>
    public sealed record Ended(string Outcome, ulong DueNanoton, SignedSettlement Settlement) : EnclaveEvent;

    /// <summary>The request was refused before it ran (one word): nothing is due.</summary>
    public sealed record Refused(string Reason) : EnclaveEvent;

    /// <summary>The child ended, or the host could not keep up; there is no settlement. Retry elsewhere.</summary>
    public sealed record Lost(string Reason) : EnclaveEvent;
}

internal enum EnclaveErrorCode
{
    NotReady = 1,
    TooManySessions = 2,
    Refused = 3,
    Lost = 4,
    Protocol = 5,
}

/// <summary>Why the enclave did not serve a call. The message never holds user data.</summary>
internal sealed class EnclaveException(EnclaveErrorCode code, string message, Exception? inner = null) : Exception(message, inner)
{
    public EnclaveErrorCode Code { get; } = code;
}
