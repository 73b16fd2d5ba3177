using System.Collections.Immutable;
using System.Text.Json;

namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>One level of Intel's list, newest first: the SVNs that must be reached and what reaching them means.</summary>
internal sealed record TcbLevel(
    ImmutableArray<int> SgxComponents,
    int PceSvn,
    ImmutableArray<int> TdxComponents,
    DateTimeOffset TcbDate,
    TcbStatus Status,
    ImmutableArray<string> Advisories);

/// <summary>A level of the TDX module or of the quoting enclave.</summary>
internal sealed record IsvLevel(int IsvSvn, DateTimeOffset TcbDate, TcbStatus Status, ImmutableArray<string> Advisories);

/// <summary>What a TDX module of one generation must look like.</summary>
internal sealed record TdxModuleIdentity(
    string? Id, ImmutableArray<byte> MrSigner, ImmutableArray<byte> Attributes, ImmutableArray<byte> AttributesMask, ImmutableArray<IsvLevel> Levels);

/// <summary>TCB info, version 3, of Intel's PCS for one FMSPC.</summary>
internal sealed record TcbInfo
{
    public required DateTimeOffset IssueDate { get; init; }

    /// <summary>Inclusive.</summary>
    public required DateTimeOffset NextUpdate { get; init; }

    /// <summary>Lower-case hexadecimal; Intel's answers differ in case.</summary>
    public required string Fmspc { get; init; }

    public required string PceId { get; init; }

    /// <summary>Grows with every TCB recovery; a lower one is an older view.</summary>
    public required uint EvaluationDataNumber { get; init; }

    public required TdxModuleIdentity Module { get; init; }

    public required ImmutableArray<TdxModuleIdentity> ModuleIdentities { get; init; }

    public required ImmutableArray<TcbLevel> Levels { get; init; }

    /// <exception cref="EvidenceException">Not TCB info of this version for TDX.</exception>
    public static TcbInfo Parse(ReadOnlyMemory<byte> json) => PcsJson.Read(json, root =>
    {
        PcsJson.Require(root.GetProperty("id").GetString() == "TDX" && root.GetProperty("version").GetInt32() == 3);
        return new TcbInfo
        {
            IssueDate = PcsJson.Time(root, "issueDate"),
            NextUpdate = PcsJson.Time(root, "nextUpdate"),
            Fmspc = Convert.ToHexStringLower(PcsJson.Hex(root, "fmspc", 6)),
            PceId = Convert.ToHexStringLower(PcsJson.Hex(root, "pceId", 2)),
            EvaluationDataNumber = root.GetProperty("tcbEvaluationDataNumber").GetUInt32(),
            Module = ReadModule(root.GetProperty("tdxModule"), isIdentity: false),
            ModuleIdentities = root.TryGetProperty("tdxModuleIdentities", out JsonElement identities)
                ? [.. identities.EnumerateArray().Select(m => ReadModule(m, isIdentity: true))]
                : [],
            Levels = [.. root.GetProperty("tcbLevels").EnumerateArray().Select(ReadLevel)],
        };
    });

    private static TdxModuleIdentity ReadModule(JsonElement module, bool isIdentity) => new(
        isIdentity ? module.GetProperty("id").GetString() : null,
        [.. PcsJson.Hex(module, "mrsigner", TdxReportBody.MeasurementSize)],
        [.. PcsJson.Hex(module, "attributes", 8)],
        [.. PcsJson.Hex(module, "attributesMask", 8)],
        isIdentity ? PcsJson.IsvLevels(module) : []);

    private static TcbLevel ReadLevel(JsonElement level)
    {
        JsonElement tcb = level.GetProperty("tcb");
        int pceSvn = tcb.GetProperty("pcesvn").GetInt32();
        PcsJson.Require(pceSvn is >= 0 and <= ushort.MaxValue);
        return new TcbLevel(
            ReadComponents(tcb.GetProperty("sgxtcbcomponents")),
            pceSvn,
            ReadComponents(tcb.GetProperty("tdxtcbcomponents")),
            PcsJson.Time(level, "tcbDate"),
            PcsJson.Status(level),
            PcsJson.Advisories(level));
    }

    private static ImmutableArray<int> ReadComponents(JsonElement components)
    {
        ImmutableArray<int> svns = [.. components.EnumerateArray().Select(c => (int)c.GetProperty("svn").GetByte())];
        PcsJson.Require(svns.Length == PckExtension.Components);
        return svns;
    }
}
