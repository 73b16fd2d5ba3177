using System.Text;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Protocol.Contracts;

/// <summary>Network parameters of the registry.</summary>
internal sealed record NetParams(
    ulong MinStake, uint UnbondPeriod, uint MinChallenge, uint MaxOpenWindow, ushort ProtocolMin, ushort ProtocolMax) : ICellContent
{
    public void StoreTo(CellBuilder builder) =>
        builder.StoreCoins(MinStake).StoreUInt(UnbondPeriod, 32).StoreUInt(MinChallenge, 32).StoreUInt(MaxOpenWindow, 32)
            .StoreUInt(ProtocolMin, 16).StoreUInt(ProtocolMax, 16);

    public static NetParams Read(CellSlice slice) =>
        new(slice.LoadCoins64(), slice.LoadUInt32(), slice.LoadUInt32(), slice.LoadUInt32(), (ushort)slice.LoadUInt(16), (ushort)slice.LoadUInt(16));
}

/// <summary>A listed measurement or model, or the tombstone of one.</summary>
/// <param name="AddedAt">Chain time of listing, or of revocation.</param>
internal sealed record RegistryInfo(uint AddedAt, ushort Flags, CellHash MetaHash)
{
    public const ushort RevokedFlag = 0x8000;

    public bool IsRevoked => (Flags & RevokedFlag) != 0;
}

/// <summary>A change that waits out the time lock.</summary>
/// <param name="Eta">Chain time from which anybody may apply it, for 7 days.</param>
internal sealed record RegistryProposal(uint Eta, Cell Change)
{
    /// <summary>Seconds: <c>APPLY_WINDOW</c> of the contract.</summary>
    public const long ApplyWindow = 604_800;
}

/// <summary>The registry's data cell: policy lists and parameters.</summary>
/// <param name="Version">Grows with every change in force: the cache key.</param>
/// <param name="TimeLock">Seconds between proposal and application; never changes.</param>
/// <remarks>
/// Bootstrap addresses are multiaddrs in UTF-8, one per line, in a chain of cells (TEP-64 snake): at most 64 addresses and 16 KiB.
/// Lines that a reader does not understand are skipped by it.
/// </remarks>
internal sealed record RegistryState(
    TonAddress Admin, uint Version, uint NextId, uint TimeLock, NetParams Params, CellHash ProviderCodeHash, CellHash ChannelCodeHash)
{
    public const int MaxBootstrapAddresses = 64;

    private const int MaxBootstrapBytes = 16 * 1024;
    private const int MaxEntries = 4096;

    public IReadOnlyDictionary<CellHash, RegistryInfo> Measurements { get; init; } = new Dictionary<CellHash, RegistryInfo>();

    public IReadOnlyDictionary<CellHash, RegistryInfo> Models { get; init; } = new Dictionary<CellHash, RegistryInfo>();

    public IReadOnlyDictionary<uint, RegistryProposal> Pending { get; init; } = new Dictionary<uint, RegistryProposal>();

    public IReadOnlyList<string> Bootstrap { get; init; } = [];

    /// <exception cref="TonException">Not a registry's layout, or over the limits.</exception>
    public static RegistryState Read(Cell data)
    {
        CellSlice root = data.BeginParse();
        TonAddress admin = root.LoadRequiredAddress();
        uint version = root.LoadUInt32();
        uint nextId = root.LoadUInt32();
        uint timeLock = root.LoadUInt32();
        NetParams parameters = NetParams.Read(root.LoadReference().BeginParse());
        CellSlice codes = root.LoadReference().BeginParse();
        CellSlice lists = root.LoadReference().BeginParse();
        root.RequireEnd();
        return new RegistryState(admin, version, nextId, timeLock, parameters, codes.LoadReference().Hash, codes.LoadReference().Hash)
        {
            Measurements = ReadInfos(lists.LoadMaybeReference()),
            Models = ReadInfos(lists.LoadMaybeReference()),
            Pending = ReadPending(lists.LoadMaybeReference()),
            Bootstrap = lists.LoadMaybeReference() is { } cell ? ReadBootstrap(cell) : [],
        };
    }

    public static Cell WriteBootstrap(IReadOnlyList<string> addresses)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(addresses.Count, MaxBootstrapAddresses, nameof(addresses));
        byte[] text = Encoding.UTF8.GetBytes(string.Join('\n', addresses));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(text.Length, MaxBootstrapBytes, nameof(addresses));
        return SnakeCell.Write(text);
    }

    /// <exception cref="TonException">Not text in a chain of cells, or over the limits.</exception>
    public static IReadOnlyList<string> ReadBootstrap(Cell cell)
    {
        string text;
        try
        {
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(SnakeCell.Read(cell.BeginParse(), MaxBootstrapBytes));
        }
        catch (DecoderFallbackException fault)
        {
            throw new TonException(TonErrorCode.Malformed, "the bootstrap list is not UTF-8", fault);
        }

        string[] lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return lines.Length <= MaxBootstrapAddresses ? lines : throw TonException.TooLarge($"bootstrap list of {lines.Length} addresses");
    }

    private static Dictionary<CellHash, RegistryInfo> ReadInfos(Cell? root)
    {
        Dictionary<CellHash, RegistryInfo> infos = [];
        foreach ((byte[] key, CellSlice value) in HashmapReader.Enumerate(root, 256, MaxEntries))
        {
            infos[new CellHash(key)] = new RegistryInfo(value.LoadUInt32(), (ushort)value.LoadUInt(16), value.LoadHash());
        }

        return infos;
    }

    private static Dictionary<uint, RegistryProposal> ReadPending(Cell? root)
    {
        Dictionary<uint, RegistryProposal> pending = [];
        foreach ((byte[] key, CellSlice value) in HashmapReader.Enumerate(root, 32, MaxEntries))
        {
            pending[System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(key)] = new RegistryProposal(value.LoadUInt32(), value.LoadReference());
        }

        return pending;
    }
}
