using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Protocol.Ton.Wallets;

/// <summary>A wallet's identity: code, initial data, address; builds signed externals. Holds no secret.</summary>
internal abstract class WalletContract
{
    protected WalletContract(Ed25519PublicKey publicKey, StateInit init, int workchain)
    {
        PublicKey = publicKey;
        StateInit = init;
        Address = init.AddressIn(workchain);
    }

    public abstract string Version { get; }

    /// <summary>Messages one external can carry.</summary>
    public abstract int MaxTransfers { get; }

    public Ed25519PublicKey PublicKey { get; }

    public StateInit StateInit { get; }

    public TonAddress Address { get; }

    /// <summary>The sequence number in the data cell; an account that is not active has 0.</summary>
    /// <exception cref="TonException">The data is not this wallet's.</exception>
    public abstract uint ReadSeqno(Cell data);

    /// <summary>The signed body of an external.</summary>
    /// <param name="validUntil">Chain time, Unix seconds, after which the wallet refuses it.</param>
    public abstract Cell CreateTransferBody(Ed25519PrivateKey key, uint seqno, uint validUntil, IReadOnlyList<WalletTransfer> transfers);

    /// <summary>The sequence number that this wallet's key signed a body for; <c>null</c> of every other body.</summary>
    public uint? ReadSignedSeqno(Cell body)
    {
        try
        {
            return TryReadSigned(body.BeginParse(), out Cell unsigned, out byte[] signature, out uint seqno) && PublicKey.Verify(unsigned.Hash.ToArray(), signature)
                ? seqno
                : null;
        }
        catch (TonException)
        {
            return null;
        }
    }

    /// <summary>Takes a body apart.</summary>
    /// <returns><c>false</c> when it is for another wallet, or no signed one.</returns>
    /// <exception cref="TonException">Too short.</exception>
    protected abstract bool TryReadSigned(CellSlice body, out Cell unsigned, out byte[] signature, out uint seqno);

    /// <summary>The external message; carries the state init while the wallet is not deployed.</summary>
    public ExternalMessage CreateExternal(
        Ed25519PrivateKey key, uint seqno, uint validUntil, IReadOnlyList<WalletTransfer> transfers, bool deploy) =>
        new(Address, CreateTransferBody(key, seqno, validUntil, transfers)) { StateInit = deploy ? StateInit : null };

    protected void CheckTransfers(Ed25519PrivateKey key, IReadOnlyList<WalletTransfer> transfers)
    {
        if (transfers.Count == 0 || transfers.Count > MaxTransfers)
        {
            throw new ArgumentException($"A {Version} external carries 1 to {MaxTransfers} messages, not {transfers.Count}.", nameof(transfers));
        }

        if (!key.PublicKey.Equals(PublicKey))
        {
            throw new ArgumentException("The key is not this wallet's.", nameof(key));
        }
    }

    protected static byte[] Sign(Ed25519PrivateKey key, CellBuilder unsigned) => key.Sign(unsigned.Build().Hash.ToArray());
}
