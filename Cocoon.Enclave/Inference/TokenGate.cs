namespace Cocoon.Enclave.Inference;

/// <summary>Permission to spend tokens, asked by the scheduler before every prefill chunk and decode step of one request.</summary>
/// <remarks>
/// When the answer is no, only that request parks: its slot and cache stay, the others go on. The scheduler asks again after
/// <see cref="Reopen"/>, and incidentally at any step, until it is allowed or the request is cancelled.
/// A request without a gate is never parked.
/// </remarks>
internal abstract class TokenGate
{
    private Action? _wake;

    /// <summary>
    /// Whether the request may have used these cumulative counts. <paramref name="cachedTokens"/> is part of
    /// <paramref name="promptTokens"/>; <paramref name="completionTokens"/> is the sum over choices. Counts never fall.
    /// </summary>
    /// <remarks>Called on the decode thread, once per step: must not block, allocate or throw.</remarks>
    public abstract bool TryReserve(int promptTokens, int cachedTokens, int completionTokens);

    /// <summary>Tells the scheduler to ask again. Call after the state that <see cref="TryReserve"/> reads has changed; any thread.</summary>
    protected void Reopen() => Volatile.Read(ref _wake)?.Invoke();

    /// <summary>Set by the engine for the life of the request; <c>null</c> detaches.</summary>
    internal void Attach(Action? wake) => Volatile.Write(ref _wake, wake);
}
