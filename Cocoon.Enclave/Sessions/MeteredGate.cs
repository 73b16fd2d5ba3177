using Cocoon.Enclave.Inference;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;

namespace Cocoon.Enclave.Sessions;

/// <summary>Lets a request run as far as the host granted and the client's own ceiling allows.</summary>
/// <remarks><see cref="TryReserve"/> is called on the decode thread, everything else from the session.</remarks>
internal sealed class MeteredGate(Prices prices, ulong maxDue) : TokenGate
{
    private ulong _allowed;
    private int _isExhausted;

    public ulong Allowed => Volatile.Read(ref _allowed);

    /// <summary>The next step would exceed the client's own ceiling: waiting is pointless.</summary>
    public bool IsExhausted => Volatile.Read(ref _isExhausted) != 0;

    public override bool TryReserve(int promptTokens, int cachedTokens, int completionTokens)
    {
        ulong due = Metering.Due(prices, new TokenCounts((uint)promptTokens, (uint)cachedTokens, (uint)completionTokens));
        if (maxDue > 0 && due > maxDue)
        {
            Volatile.Write(ref _isExhausted, 1);
            return false;
        }

        return due <= Volatile.Read(ref _allowed);
    }

    /// <summary>Raises the grant; lower values change nothing.</summary>
    public void Allow(ulong upToDue)
    {
        ulong seen = Volatile.Read(ref _allowed);
        while (upToDue > seen)
        {
            ulong before = Interlocked.CompareExchange(ref _allowed, upToDue, seen);
            if (before == seen)
            {
                Reopen();
                return;
            }

            seen = before;
        }
    }
}
