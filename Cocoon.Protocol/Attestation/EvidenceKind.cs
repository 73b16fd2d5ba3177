namespace Cocoon.Protocol.Attestation;

/// <summary>What made the evidence. The value is part of what is hashed into <c>report_data</c>.</summary>
internal enum EvidenceKind : byte
{
    IntelTdx = 1,
    AmdSevSnp = 2,

    /// <summary>No hardware: a software enclave, which protects nothing from the machine's owner.</summary>
    Simulated = 0xF0,
}

/// <summary>How much hardware protects a prompt from the machine's owner; larger is more.</summary>
internal enum Tier
{
    /// <summary>Nothing does.</summary>
    Open = 0,

    /// <summary>A CPU enclave, with inference on the CPU inside it.</summary>
    CcCpu = 1,

    /// <summary>A CPU enclave bound to GPUs in confidential mode.</summary>
    CcGpu = 2,
}

/// <summary>The words for kinds and tiers on the wire, in files and on screens.</summary>
internal static class AttestationWords
{
    public static string Word(this EvidenceKind kind) => kind switch
    {
        EvidenceKind.IntelTdx => "tdx",
        EvidenceKind.AmdSevSnp => "sev-snp",
        EvidenceKind.Simulated => "simulated",
        _ => "unknown",
    };

    public static string Word(this Tier tier) => tier switch
    {
        Tier.CcGpu => "cc-gpu",
        Tier.CcCpu => "cc-cpu",
        _ => "open",
    };

    public static bool TryParseKind(string? word, out EvidenceKind kind)
    {
        kind = word switch
        {
            "tdx" => EvidenceKind.IntelTdx,
            "sev-snp" => EvidenceKind.AmdSevSnp,
            "simulated" => EvidenceKind.Simulated,
            _ => 0,
        };
        return kind != 0;
    }

    public static bool TryParseTier(string? word, out Tier tier)
    {
        tier = word switch
        {
            "cc-gpu" => Tier.CcGpu,
            "cc-cpu" => Tier.CcCpu,
            _ => Tier.Open,
        };
        return word is "cc-gpu" or "cc-cpu" or "open";
    }
}
