using System.Collections.Immutable;
using System.Globalization;

namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>What the TD quoting enclave must look like: enclave identity, version 2, of Intel's PCS.</summary>
internal sealed record QeIdentity
{
    public required DateTimeOffset IssueDate { get; init; }

    /// <summary>Inclusive.</summary>
    public required DateTimeOffset NextUpdate { get; init; }

    public required uint EvaluationDataNumber { get; init; }

    public required uint MiscSelect { get; init; }

    public required uint MiscSelectMask { get; init; }

    public required ImmutableArray<byte> Attributes { get; init; }

    public required ImmutableArray<byte> AttributesMask { get; init; }

    public required ImmutableArray<byte> MrSigner { get; init; }

    public required int IsvProdId { get; init; }

    public required ImmutableArray<IsvLevel> Levels { get; init; }

    /// <exception cref="EvidenceException">Not the identity of the TD quoting enclave in this version.</exception>
    public static QeIdentity Parse(ReadOnlyMemory<byte> json) => PcsJson.Read(json, root =>
    {
        PcsJson.Require(root.GetProperty("id").GetString() == "TD_QE" && root.GetProperty("version").GetInt32() == 2);
        return new QeIdentity
        {
            IssueDate = PcsJson.Time(root, "issueDate"),
            NextUpdate = PcsJson.Time(root, "nextUpdate"),
            EvaluationDataNumber = root.GetProperty("tcbEvaluationDataNumber").GetUInt32(),
            MiscSelect = BigEndian(PcsJson.Hex(root, "miscselect", 4)),
            MiscSelectMask = BigEndian(PcsJson.Hex(root, "miscselectMask", 4)),
            Attributes = [.. PcsJson.Hex(root, "attributes", 16)],
            AttributesMask = [.. PcsJson.Hex(root, "attributesMask", 16)],
            MrSigner = [.. PcsJson.Hex(root, "mrsigner", 32)],
            IsvProdId = root.GetProperty("isvprodid").GetInt32(),
            Levels = PcsJson.IsvLevels(root),
        };
    });

    public bool Matches(SgxReportBody report) =>
        (report.MiscSelect & MiscSelectMask) == MiscSelect
        && PcsJson.MaskedEquals(report.Attributes, Attributes.AsSpan(), AttributesMask.AsSpan())
        && report.MrSigner.SequenceEqual(MrSigner.AsSpan())
        && report.IsvProdId == IsvProdId;

    // The JSON's digits read as a number; the report holds it little endian.
    private static uint BigEndian(byte[] bytes) => uint.Parse(Convert.ToHexString(bytes), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
