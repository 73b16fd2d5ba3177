using System.Buffers.Binary;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Serving;

/// <summary>Signs the prices of this node's offers for its bond.</summary>
/// <remarks>
/// Two statements with one version and different prices cost the stake. So every change of any model's prices gets a version of its own, higher
/// than all before and not below the present Unix millisecond, which is on the disk before it is signed; also who goes back to an older copy
/// of the database signs no version twice. Thread-safe.
/// </remarks>
internal sealed class PriceStatements(TonAddress bond, Ed25519PrivateKey peerKey, CocoonDatabase database, TimeProvider time) : IDisposable
{
    private const string Key = "price-version";

    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Dictionary<string, (CellHash Prices, ulong Version)> _signed = [];

    public async Task SignAsync(Offer offer, CancellationToken cancellationToken)
    {
        string model = Convert.ToHexString(offer.ModelId.Span);
        CellHash prices = PriceStatement.DigestOf(offer);
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (!_signed.TryGetValue(model, out (CellHash Prices, ulong Version) last) || last.Prices != prices)
            {
                _signed[model] = last = (prices, await database.WriteAsync(TakeVersion, cancellationToken));
            }

            PriceStatement.Sign(offer, bond, last.Version, peerKey);
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();

    private ulong TakeVersion(DatabaseSession session)
    {
        ulong last = session.QueryFirst("SELECT value FROM meta WHERE key = $1", row => BinaryPrimitives.ReadUInt64BigEndian(row.GetBytes(0)), Key);
        ulong version = Math.Max(last + 1, (ulong)time.GetUtcNow().ToUnixTimeMilliseconds());
        byte[] value = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(value, version);
        session.Execute("INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value", Key, value);
        return version;
    }
}
