namespace Cocoon.Protocol.Contracts;

/// <summary>What <see cref="ChannelContract.Verify"/> found.</summary>
internal abstract record ChannelVerdict
{
    private ChannelVerdict()
    {
    }

    /// <param name="Spendable">Nanotons that vouchers can still bring, beyond what was claimed.</param>
    public sealed record Open(ChannelState State, ulong Spendable) : ChannelVerdict;

    /// <param name="Word">A stable reason word.</param>
    /// <param name="Explanation">For people.</param>
    public sealed record Rejected(string Word, string Explanation) : ChannelVerdict;
}
