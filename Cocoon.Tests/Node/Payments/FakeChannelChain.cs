using Cocoon.Node.Payments;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Tests.Node.Payments;

/// <summary>Accounts as a test sets them; can be made unreachable.</summary>
internal sealed class FakeChannelChain : IChannelChain
{
    public Dictionary<CellHash, ChannelAccount> Accounts { get; } = [];

    public uint Now { get; set; } = 1_800_000_000;

    public bool Unreachable { get; set; }

    /// <summary>Whether what it says of an account that is not there is more than one server's word.</summary>
    public bool Corroborated { get; set; } = true;

    public int Reads { get; private set; }

    public Task<ChannelAccount> ReadAsync(CellHash channel, CancellationToken cancellationToken)
    {
        Reads++;
        Check();
        return Task.FromResult(Accounts.TryGetValue(channel, out ChannelAccount? account)
            ? account with { ChainTime = Now }
            : new ChannelAccount(channel, null, null, 0, Now, Corroborated));
    }

    public Task<uint> GetTimeAsync(CancellationToken cancellationToken)
    {
        Check();
        return Task.FromResult(Now);
    }

    public Task<IReadOnlyList<TonTransaction>> GetTransactionsAsync(TonAddress account, int limit, TransactionId? from, CancellationToken cancellationToken)
    {
        Check();
        return Task.FromResult<IReadOnlyList<TonTransaction>>([]);
    }

    /// <summary>An open channel with these terms, as the chain would show it.</summary>
    public ChannelAccount Open(ChannelTerms terms, ulong spendable)
    {
        ChannelAccount account = new(
            new ChannelContract(terms).Address.Id, ContractCode.Channel, new ChannelState(true, 0, 0, terms), spendable + ChannelContract.Reserve, Now, true);
        Accounts[account.Channel] = account;
        return account;
    }

    private void Check()
    {
        if (Unreachable)
        {
            throw new TonException(TonErrorCode.Unreachable, "the test has cut the chain off");
        }
    }
}
