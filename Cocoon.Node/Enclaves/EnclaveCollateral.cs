using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Enclaves.Proto;
using Google.Protobuf;

namespace Cocoon.Node.Enclaves;

/// <summary>Reads the collateral that an enclave ships with its evidence. What is no collateral, or damaged, is left out: clients would refuse the whole bundle.</summary>
internal static class EnclaveCollateral
{
    private const int MaxName = 64;

    public static IReadOnlyList<Configure.Types.Collateral> Read(string? folder)
    {
        if (folder is null || !Directory.Exists(folder))
        {
            return [];
        }

        List<Configure.Types.Collateral> items = [];
        foreach (FileInfo file in new DirectoryInfo(folder).EnumerateFiles().OrderBy(f => f.Name, StringComparer.Ordinal))
        {
            if (items.Count < EvidenceBundle.MaxCollateralItems && file.Length <= EvidenceBundle.MaxCollateralData && IsName(file.Name))
            {
                byte[] data = File.ReadAllBytes(file.FullName);
                if (IsCollateral(data))
                {
                    items.Add(new Configure.Types.Collateral { Name = file.Name, Data = ByteString.CopyFrom(data) });
                }
            }
        }

        return items;
    }

    private static bool IsName(string name) => name.Length <= MaxName && !name.AsSpan().ContainsAnyExceptInRange('\x21', '\x7E');

    private static bool IsCollateral(byte[] data)
    {
        try
        {
            return CollateralReader.TryRead(data, new CollateralSet());
        }
        catch (EvidenceException)
        {
            return false;
        }
    }
}
