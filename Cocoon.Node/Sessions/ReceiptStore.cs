using Cocoon.Node.Storage;
using Cocoon.Protocol.Receipts;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Sessions;

/// <summary>Receipts of this client, one JSON file each under <c>receipts/</c> in its data directory, mode 0600.</summary>
/// <remarks>
/// The newest 10,000 are kept. A receipt is there when its answer ends, and the system brings it to the disk within seconds: nothing that
/// is owed depends on it, so no answer waits for a flush. What a power failure leaves of an unfinished one is no receipt.
/// </remarks>
internal sealed class ReceiptStore(DataDirectory directory)
{
    private const int MaxKept = 10_000;

    /// <summary>Beyond <see cref="MaxKept"/> before the oldest go: looking for them reads the whole folder.</summary>
    private const int Slack = 1000;

    private readonly string _folder = directory.File("receipts");
    private readonly Lock _lock = new();
    private int _count = -1;

    /// <returns>The receipt's id and where it is.</returns>
    public (string Id, string Path) Save(
        AppraisedEnclave enclave, string provider, SignedReceipt receipt, SignedSettlement settlement, PaidVoucher? paid)
    {
        ReceiptFile file = ReceiptFile.Create(enclave, provider, receipt, settlement, paid);
        string path = Path.Combine(_folder, file.Session + ".json");
        bool isFull;
        lock (_lock)
        {
            if (_count < 0)
            {
                _count = Directory.CreateDirectory(_folder).EnumerateFiles("*.json").Count();
            }

            isFull = ++_count > MaxKept + Slack;
            _count = isFull ? MaxKept : _count;
        }

        PrivateFile.WriteNew(path, file.ToJson());
        if (isFull)
        {
            Sweep();
        }

        return (file.Session, path);
    }

    private void Sweep()
    {
        foreach (FileInfo old in new DirectoryInfo(_folder).EnumerateFiles("*.json").OrderByDescending(f => f.LastWriteTimeUtc).Skip(MaxKept))
        {
            old.Delete();
        }
    }
}
