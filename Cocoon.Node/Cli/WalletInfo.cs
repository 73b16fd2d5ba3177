using Cocoon.Node.Storage;
using Cocoon.Node.Wallets;

namespace Cocoon.Node.Cli;

/// <summary>The public part of a wallet file, readable beside a running node.</summary>
internal static class WalletInfo
{
    private const int MaxBytes = 16 * 1024;

    public static WalletFile? Read(string dataDirectory)
    {
        string path = Path.Combine(Path.GetFullPath(dataDirectory), WalletStore.FileName);
        return File.Exists(path) ? WalletFile.Parse(PrivateFile.Read(path, MaxBytes)) : null;
    }
}
