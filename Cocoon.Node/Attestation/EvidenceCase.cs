using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.EventLog;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.Pki;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;

namespace Cocoon.Node.Attestation;

/// <summary>A folder of evidence in the form of attestation test vectors: a JSON file that names its kind, its files and a time.</summary>
/// <remarks>
/// Kinds: <c>tdx-quote</c>, <c>sgx-quote</c>, <c>ccel</c>, <c>snp-report</c>, <c>snp-forged-vcek</c>, <c>amd-crl</c>, <c>nvidia-gpu</c>,
/// <c>nvidia-rim</c>, <c>nvidia-nras-eat</c>, <c>ohttp-rfc9458-appendix-a</c>, <c>x-wing-draft</c>, and the list of RFC 9180 vectors, which names none.
/// What the file expects is not read: the facts are this program's own.
/// </remarks>
internal sealed class EvidenceCase
{
    private const int MaxSize = 16 << 20;

    private readonly JsonElement _root;
    private readonly string _path;
    private readonly string _folder;
    private readonly DateTimeOffset? _at;

    private EvidenceCase(JsonElement root, string path, DateTimeOffset? at)
    {
        _root = root;
        _path = path;
        _folder = Path.GetDirectoryName(path)!;
        _at = at;
        Kind = Text("kind") ?? (root.TryGetProperty("vectors", out _) ? "rfc9180" : throw new FormatException("a case names its kind"));
    }

    public string Kind { get; }

    /// <param name="at">Overrides the case's own time.</param>
    /// <exception cref="FormatException">Not a case, or a file that it names is missing.</exception>
    public static EvidenceCase Open(string path, DateTimeOffset? at)
    {
        FileInfo file = new(path);
        if (!file.Exists || file.Length > MaxSize)
        {
            throw new FormatException($"there is no case file {path}");
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? new EvidenceCase(document.RootElement.Clone(), file.FullName, at)
                : throw new FormatException($"{path} is no case: it is a JSON {document.RootElement.ValueKind}");
        }
        catch (JsonException e)
        {
            throw new FormatException($"{path}: {e.Message}", e);
        }
    }

    public RawAppraisal Appraise(AppraisalPolicy policy, TimeProvider clock) => Kind switch
    {
        "tdx-quote" or "sgx-quote" => RawAppraiser.AppraiseTdx(Bytes("quote"), Collateral(), policy, Time(clock)),
        "snp-report" => RawAppraiser.AppraiseSnp(Bytes("report"), Collateral(), policy, Time(clock)),
        "snp-forged-vcek" => AppraiseVcek(Time(clock)),
        "amd-crl" => AppraiseAmdCrl(clock),
        "nvidia-gpu" => RawAppraiser.AppraiseGpu(Bytes("report"), Collateral(), policy, Time(clock)),
        "nvidia-rim" => AppraiseRim(Time(clock)),
        "nvidia-nras-eat" => NrasToken.Read(File.ReadAllBytes(Beside(".source.json", ".json"))),
        "ccel" => AppraiseLog(),
        "ohttp-rfc9458-appendix-a" => HpkeVectors.CheckObliviousHttp(_root),
        "x-wing-draft" => HpkeVectors.CheckXWing(_root),
        "rfc9180" => HpkeVectors.CheckRfc9180(_root),
        _ => throw new FormatException($"'{Kind}' is no kind of case known here"),
    };

    private RawAppraisal AppraiseVcek(DateTimeOffset now)
    {
        CollateralSet collateral = Collateral();
        Certificate? endorser = collateral.Certificates.FirstOrDefault(c => c.Raw.Span.SequenceEqual(Bytes("endorsement")));
        PathFault fault = endorser is not null
            && SnpChain.FindPath(endorser, Kind(endorser), collateral, SnpRoots.Amd, now) is { } found
                ? found.Path.Fault
                : PathFault.Broken;
        JsonObject facts = new() { ["chainValid"] = fault == PathFault.None };
        return fault switch
        {
            PathFault.None => RawAppraisal.OfFacts(facts),
            PathFault.OutsideValidity => RawAppraisal.OfFacts(facts, SnpReasons.CertificateExpired),
            _ => RawAppraisal.OfFacts(facts, SnpReasons.Chain),
        };

        static SnpSigningKey Kind(Certificate c) =>
            c.IssuerCommonName?.Contains("VLEK", StringComparison.Ordinal) == true ? SnpSigningKey.Vlek : SnpSigningKey.Vcek;
    }

    private RawAppraisal AppraiseAmdCrl(TimeProvider clock)
    {
        RevocationList list;
        try
        {
            list = RevocationList.Parse(File.ReadAllBytes(Beside(".json", ".crl.der")));
        }
        catch (EvidenceException)
        {
            return RawAppraisal.Unreadable(SnpReasons.CrlSignature);
        }

        DateTimeOffset now = TimeOrNull() ?? Middle(list.ThisUpdate, list.NextUpdate) ?? clock.GetUtcNow();
        TrustAnchor? root = SnpRoots.Amd.All.Select(r => r.Root).FirstOrDefault(r => list.IssuerCommonName == r.CommonName);
        List<string> reasons = [];
        using VerificationKey? key = root is null ? null : VerificationKey.FromPublicKeyInfo(root.PublicKeyInfo.AsSpan());
        if (key is null || !list.IsSignedBy(key))
        {
            reasons.Add(SnpReasons.CrlSignature);
        }

        if (!list.IsCurrentAt(now))
        {
            reasons.Add(SnpReasons.CrlExpired);
        }

        return RawAppraisal.OfFacts(FactsDocument.Write(list, list.IssuerCommonName ?? ""), [.. reasons]);
    }

    private RawAppraisal AppraiseRim(DateTimeOffset now)
    {
        RimManifest rim;
        try
        {
            rim = RimManifest.Parse(Bytes("file"));
        }
        catch (EvidenceException)
        {
            return RawAppraisal.Unreadable(GpuReasons.RimMalformed);
        }

        RimFault fault = rim.Verify(GpuRoots.Nvidia.Rim, now);
        JsonObject facts = FactsDocument.Write(rim, fault == RimFault.None);
        List<string> reasons = fault switch
        {
            RimFault.None => [],
            RimFault.Signature => [GpuReasons.RimSignature],
            RimFault.OutsideValidity => [GpuReasons.RimExpired],
            _ => [GpuReasons.RimChain],
        };
        if (_root.TryGetProperty("expect", out JsonElement expect)
            && expect.TryGetProperty("matchesReport", out JsonElement other)
            && other.ValueKind == JsonValueKind.String)
        {
            // Not an expectation but an input: the report to compare with.
            GpuReport report = ReadReport(other.GetString()!);
            bool isMatch = RimComparison.IsMatch(report, rim);
            facts["matchesReport"] = isMatch ? other.GetString() : null;
            if (!isMatch)
            {
                reasons.Add(GpuReasons.RimMismatch);
            }
        }

        return RawAppraisal.OfFacts(facts, [.. reasons]);
    }

    private GpuReport ReadReport(string folder)
    {
        try
        {
            return GpuReport.Parse(File.ReadAllBytes(Existing(Path.Combine(folder, "report.bin"))));
        }
        catch (EvidenceException e)
        {
            throw new FormatException(folder + ": " + e.Message, e);
        }
    }

    private RawAppraisal AppraiseLog()
    {
        CcelLog log;
        try
        {
            log = CcelLog.Parse(File.ReadAllBytes(Beside(".json", ".ccel.bin")));
        }
        catch (EvidenceException)
        {
            return RawAppraisal.Unreadable(TdxReasons.EventLogMalformed);
        }

        JsonObject facts = FactsDocument.Write(log);
        if (Text("quoteCase") is not { } quoteCase)
        {
            return RawAppraisal.OfFacts(facts);
        }

        bool isMatch = Matches(log, File.ReadAllBytes(Existing(Path.Combine(quoteCase, "quote.bin"))));
        facts["matchesQuote"] = isMatch;
        return isMatch ? RawAppraisal.OfFacts(facts) : RawAppraisal.OfFacts(facts, TdxReasons.EventLogMismatch);
    }

    private static bool Matches(CcelLog log, byte[] quoteBytes)
    {
        try
        {
            TdxReportBody body = TdxQuote.Parse(quoteBytes).Body;
            return log.Replay().Select((r, i) => body.Rtmr(i).SequenceEqual(r.AsSpan())).All(e => e);
        }
        catch (EvidenceException)
        {
            return false;
        }
    }

    /// <summary>Everything that the case names besides the evidence: files, or folders with everything in them.</summary>
    private CollateralSet Collateral()
    {
        CollateralSet set = new();
        string[] members = ["endorsement", "chain", "collateral", "crl", "rim", "rims", "certificates"];
        foreach (string member in members)
        {
            if (!_root.TryGetProperty(member, out JsonElement value))
            {
                continue;
            }

            IEnumerable<JsonElement> named = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : [value];
            EvidenceFiles.AddCollateral(named.Where(n => n.ValueKind == JsonValueKind.String).Select(n => Existing(n.GetString()!)), set);
        }

        return set;
    }

    private DateTimeOffset Time(TimeProvider clock) => TimeOrNull() ?? clock.GetUtcNow();

    /// <summary>The time asked for, else that of the case, else the middle of its window.</summary>
    private DateTimeOffset? TimeOrNull() =>
        _at ?? Moment("verifyAt") ?? (Moment("validFrom") is { } from && Moment("validUntil") is { } until ? Middle(from, until) : null);

    private static DateTimeOffset? Middle(DateTimeOffset from, DateTimeOffset until) => from <= until ? from + ((until - from) / 2) : null;

    private DateTimeOffset? Moment(string member) => Text(member) is not { } text ? null
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time) ? time
        : throw new FormatException($"{member} is no time: {text}");

    private byte[] Bytes(string member) => File.ReadAllBytes(Existing(Text(member) ?? throw new FormatException($"a case of kind {Kind} names its {member}")));

    /// <summary>The file whose name differs in its end only.</summary>
    private string Beside(string ending, string other)
    {
        if (Text("file") is { } named)
        {
            return Existing(named);
        }

        return _path.EndsWith(ending, StringComparison.Ordinal)
            ? Existing(Path.GetFileName(_path)[..^ending.Length] + other)
            : throw new FormatException($"a case of kind {Kind} is named …{ending}");
    }

    private string Existing(string relative)
    {
        string path = Path.GetFullPath(Path.Combine(_folder, relative));
        return Path.Exists(path) ? path : throw new FormatException($"the case names {relative}, which does not exist");
    }

    private string? Text(string member) =>
        _root.TryGetProperty(member, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
