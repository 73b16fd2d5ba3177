using System.Text.Json.Nodes;
using Cocoon.Node.Attestation;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.Pki;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;

namespace Cocoon.Tests.Vectors;

/// <summary>A piece of evidence that a real machine made, with what verifies it under the vendor's root at the time of its recording.</summary>
internal sealed record RecordedEvidence(string Name, byte[] Bytes, Func<byte[], bool> IsValid)
{
    private static readonly (string Name, string Folder)[] s_cases =
        [("tdx-quote", "tdx/google-v5-90c06f"), ("snp-report", "snp/genoa-v5"), ("gpu-report", "nvidia/hopper-590.12-ppcie")];

    /// <summary>One of each kind; none where the shared vectors are absent.</summary>
    public static IEnumerable<RecordedEvidence> All =>
        [.. s_cases.Where(c => TestPaths.Vectors is not null).Select(c => Read(c.Name, Path.Combine(TestPaths.Vectors!, "attestation", c.Folder)))];

    private static RecordedEvidence Read(string name, string folder)
    {
        JsonObject vector = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "case.json")))!.AsObject();
        DateTimeOffset at = vector["verifyAt"]!.GetValue<DateTimeOffset>();
        CollateralSet collateral = new();
        string[] members = ["endorsement", "chain", "collateral"];
        EvidenceFiles.AddCollateral(members.Where(vector.ContainsKey).Select(m => Path.Combine(folder, vector[m]!.GetValue<string>())), collateral);
        byte[] bytes = File.ReadAllBytes(Path.Combine(folder, (vector["quote"] ?? vector["report"])!.GetValue<string>()));
        GpuChain chain = GpuChain.Verify(collateral.Certificates, GpuRoots.Nvidia.Device, at);
        return new RecordedEvidence(name, bytes, vector["kind"]!.GetValue<string>() switch
        {
            "tdx-quote" => changed => TdxVerifier.Verify(changed, collateral, VendorRoots.IntelSgx, at).Reasons.Count == 0,
            "snp-report" => changed => SnpVerifier.Verify(changed, collateral, SnpRoots.Amd, at).Reasons.Count == 0,
            _ => changed => GpuVerifier.Verify(changed, chain, [], [], GpuRoots.Nvidia.Rim, at).Reasons.Count == 0,
        });
    }
}
