using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Contracts;

/// <summary>The compiled contracts, embedded in this assembly.</summary>
internal static class ContractCode
{
    public static Cell Channel { get; } = Load("Channel.boc");

    public static Cell ProviderBond { get; } = Load("ProviderBond.boc");

    public static Cell Registry { get; } = Load("Registry.boc");

    private static Cell Load(string name)
    {
        using Stream stream = typeof(ContractCode).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"{name} is missing from the assembly.");
        byte[] boc = new byte[stream.Length];
        stream.ReadExactly(boc);
        return BocReader.ReadSingle(boc);
    }
}
