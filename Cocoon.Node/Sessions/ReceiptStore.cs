using Cocoon.Node.Storage;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Receipts;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Sessions;

/// <summary>Receipts of this client, one JSON file each under <c>receipts/</c> in its data directory, mode 0600.</summary>
/// <remarks>The newest 10,000 are kept.</remarks>
internal sealed class ReceiptStore(DataDirectory directory)
{
    private const int MaxKept = 10_000;
    private const int SweepEvery = 256;

    private readonly string _folder = directory.File("receipts");
    private int _saved;

    /// <returns>The receipt's id and where it is.</returns>
    public Task<(string Id, string Path)> SaveAsync(
        AppraisedEnclave enclave, string provider, SignedReceipt receipt, SignedSettlement settlement, VoucherMessage? voucher, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ReceiptFile file = ReceiptFile.Create(enclave, provider, receipt, settlement, voucher?.Statement.Memory ?? default);
        Directory.CreateDirectory(_folder);
        string path = Path.Combine(_folder, file.Session + ".json");
        PrivateFile.Write(path, file.ToJson());
        if (Interlocked.Increment(ref _saved) % SweepEvery == 0)
        {
            Sweep();
        }

        return Task.FromResult((file.Session, path));
    }

    private void Sweep()
    {
        foreach (FileInfo old in new DirectoryInfo(_folder).EnumerateFiles("*.json").OrderByDescending(f => f.LastWriteTimeUtc).Skip(MaxKept))
        {
            old.Delete();
        }
    }
}
