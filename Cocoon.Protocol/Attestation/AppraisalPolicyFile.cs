using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Cocoon.Protocol.Inference;

namespace Cocoon.Protocol.Attestation;

/// <summary>The policy as a readable local file. Unknown or repeated properties and words are errors: a typo must not widen anything.</summary>
/// <remarks><code>
/// { "id": "home", "kinds": ["tdx", "sev-snp"], "allow_simulated": false, "minimum_tier": "open",
///   "models": ["&lt;64 hexadecimal digits&gt;"], "max_evidence_age_hours": 24,
///   "require_fresh_evidence": false, "require_post_quantum": false, "enclave_policies": ["&lt;64 hexadecimal digits&gt;"],
///   "releases": [ { "name": "image 1.0", "kind": "tdx", "not_after": "2027-01-01T00:00:00Z",
///                   "mrtd": ["…"], "rtmr0": ["…"], "rtmr1": ["…"], "rtmr2": ["…"], "rtmr3": [], "mr_config_id": [] },
///                 { "name": "image 1.0", "kind": "sev-snp", "measurement": ["…"], "host_data": [], "minimum_guest_svn": 0 } ],
///   "tdx": { "statuses": ["UpToDate"], … }, "snp": { "minimum_tcb": { "Genoa": { … } }, … }, "gpu": { "minimum_driver": "550.0", … } }
/// </code>
/// Only <c>id</c> is required; what is left out is as in the default policy, which lists no release and so accepts no hardware.
/// </remarks>
internal static class AppraisalPolicyFile
{
    public const int MaxSize = 256 << 10;

    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        AllowDuplicateProperties = false,
        RespectNullableAnnotations = true,
        WriteIndented = true,
        MaxDepth = 8,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    /// <exception cref="FormatException">Says what is wrong.</exception>
    public static AppraisalPolicy Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            Document document = json.Length > MaxSize
                ? throw new FormatException("policy: file too large")
                : JsonSerializer.Deserialize<Document>(json, Options) ?? throw new FormatException("policy: empty");
            return FromDocument(document);
        }
        catch (JsonException e)
        {
            // The framework's own text names our types.
            string line = e.LineNumber is { } number ? string.Create(CultureInfo.InvariantCulture, $", line {number + 1}") : "";
            throw new FormatException($"policy: {(e.Path is { Length: > 0 } path ? path : "the file")}{line}: unknown, there twice, missing something, or not of its kind", e);
        }
    }

    public static string Format(AppraisalPolicy policy) => JsonSerializer.Serialize(
        new Document
        {
            Id = policy.Id,
            Kinds = [.. policy.Kinds.Order().Select(k => k.Word())],
            AllowSimulated = policy.AllowSimulated,
            MinimumTier = policy.MinimumTier.Word(),
            Models = [.. policy.Models.Select(m => m.ToString()).Order(StringComparer.Ordinal)],
            MaxEvidenceAgeHours = policy.MaxEvidenceAge.TotalHours,
            RequireFreshEvidence = policy.RequireFreshEvidence,
            RequirePostQuantum = policy.RequirePostQuantum,
            EnclavePolicies = PolicyFields.Sorted(policy.EnclavePolicies),
            Releases = [.. policy.Releases.Select(ReleaseDocument.From)],
            Tdx = TdxPolicyDocument.From(policy.Tdx),
            Snp = SnpPolicyDocument.From(policy.Snp),
            Gpu = GpuPolicyDocument.From(policy.Gpu),
        },
        Options);

    private static AppraisalPolicy FromDocument(Document document)
    {
        if (document.Id.Length is 0 or > 64 || Encoding.UTF8.GetByteCount(document.Id) != document.Id.Length)
        {
            throw new FormatException("policy: id has 1 to 64 ASCII characters");
        }

        if (!AttestationWords.TryParseTier(document.MinimumTier, out Tier tier))
        {
            throw new FormatException("policy: minimum_tier is open, cc-cpu or cc-gpu");
        }

        if (document.MaxEvidenceAgeHours is not (> 0 and <= 24 * 30))
        {
            throw new FormatException("policy: max_evidence_age_hours is above 0 and at most 720");
        }

        return new AppraisalPolicy
        {
            Id = document.Id,
            Kinds = [.. document.Kinds.Select(ParseKind)],
            AllowSimulated = document.AllowSimulated,
            MinimumTier = tier,
            Models = [.. document.Models.Select(ParseModel)],
            MaxEvidenceAge = TimeSpan.FromHours(document.MaxEvidenceAgeHours),
            RequireFreshEvidence = document.RequireFreshEvidence,
            RequirePostQuantum = document.RequirePostQuantum,
            EnclavePolicies = PolicyFields.Hex("enclave_policies", document.EnclavePolicies, EnclaveBinding.DigestSize),
            Releases = [.. document.Releases.Select(r => r?.ToRelease() ?? throw PolicyFields.Error("releases", "holds images"))],
            Tdx = document.Tdx?.ToPolicy() ?? Tdx.TdxPolicy.Strict,
            Snp = document.Snp?.ToPolicy() ?? SevSnp.SnpPolicy.Strict,
            Gpu = document.Gpu?.ToPolicy() ?? Nvidia.GpuPolicy.Strict,
        };
    }

    private static EvidenceKind ParseKind(string word) =>
        AttestationWords.TryParseKind(word, out EvidenceKind kind) && kind != EvidenceKind.Simulated
            ? kind
            : throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"policy: kinds may hold tdx and sev-snp, not '{word}'"));

    private static ModelId ParseModel(string text) =>
        ModelId.TryParse(text, out ModelId model) ? model : throw new FormatException("policy: a model id has 64 hexadecimal digits");

    private sealed record Document
    {
        public required string Id { get; init; }

        public ImmutableArray<string> Kinds { get; init; } = ["tdx", "sev-snp"];

        public bool AllowSimulated { get; init; }

        public string MinimumTier { get; init; } = "open";

        public ImmutableArray<string> Models { get; init; } = [];

        public double MaxEvidenceAgeHours { get; init; } = 24;

        public bool RequireFreshEvidence { get; init; }

        public bool RequirePostQuantum { get; init; }

        public ImmutableArray<string> EnclavePolicies { get; init; } = [];

        public ImmutableArray<ReleaseDocument?> Releases { get; init; } = [];

        public TdxPolicyDocument? Tdx { get; init; }

        public SnpPolicyDocument? Snp { get; init; }

        public GpuPolicyDocument? Gpu { get; init; }
    }
}
