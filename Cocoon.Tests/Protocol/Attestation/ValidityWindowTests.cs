using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;
using Cocoon.Tests.Protocol.Attestation.Synthetic;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Attestation;

/// <summary>Everything that evidence rests on has a first and a last second: both count, one second outside of either refuses, by the word of that part.</summary>
public sealed class ValidityWindowTests
{
    private static readonly ValidityWindow Part = new(TdxPlatform.IssueDate.AddDays(5), TdxPlatform.IssueDate.AddDays(20));

    [TestCase("root", TdxReasons.CertificateExpired)]
    [TestCase("pck-ca", TdxReasons.CertificateExpired)]
    [TestCase("pck", TdxReasons.CertificateExpired)]
    [TestCase("tcb-signing", TdxReasons.CertificateExpired)]
    [TestCase("root-crl", TdxReasons.CrlExpired)]
    [TestCase("pck-crl", TdxReasons.CrlExpired)]
    [TestCase("tcb-info", TdxReasons.CollateralExpired)]
    [TestCase("qe-identity", TdxReasons.CollateralExpired)]
    public void Tdx_OneSecondOutside_IsExpired(string part, string reason)
    {
        using TdxPlatform platform = new(windows: name => name == part ? Part : null);
        System.Text.Json.Nodes.JsonObject? document = part switch { "tcb-info" => platform.TcbInfo, "qe-identity" => platform.Identity, _ => null };
        if (document is not null)
        {
            document["issueDate"] = Part.From.ToString("yyyy-MM-ddTHH:mm:ssZ", System.Globalization.CultureInfo.InvariantCulture);
            document["nextUpdate"] = Part.Until.ToString("yyyy-MM-ddTHH:mm:ssZ", System.Globalization.CultureInfo.InvariantCulture);
        }

        byte[] quote = platform.Quote(TdxPlatform.Body());
        CollateralSet collateral = platform.Collateral(
            part == "root-crl" ? platform.Root.Revoke(Part.From, Part.Until) : null, part == "pck-crl" ? platform.PckCa.Revoke(Part.From, Part.Until) : null);
        AssertWindow(reason, now => TdxVerifier.Verify(quote, collateral, platform.Anchor, now).Reasons);
    }

    [TestCase("ark", false, SnpReasons.CertificateExpired)]
    [TestCase("ask", false, SnpReasons.CertificateExpired)]
    [TestCase("vcek", false, SnpReasons.CertificateExpired)]
    [TestCase("asvk", true, SnpReasons.CertificateExpired)]
    [TestCase("vlek", true, SnpReasons.CertificateExpired)]
    [TestCase("crl", false, SnpReasons.CrlExpired)]
    public void Snp_OneSecondOutside_IsExpired(string part, bool isVlek, string reason)
    {
        using SnpPlatform platform = new(name => name == part ? Part : null);
        byte[] body = SnpPlatform.Body();
        if (isVlek)
        {
            body[0x48] = 1 << 2;
        }

        byte[] report = platform.Sign(body, isVlek ? platform.Vlek : null);
        byte[] crl = part == "crl" ? platform.Ark.Revoke(Part.From, Part.Until) : platform.Ark.Revoke(TdxPlatform.IssueDate, TdxPlatform.NextUpdate);
        AssertWindow(reason, now => platform.Verify(report, crl, now).Reasons);
    }

    [TestCase("root", GpuReasons.CertificateExpired)]
    [TestCase("identity", GpuReasons.CertificateExpired)]
    [TestCase("leaf", GpuReasons.CertificateExpired)]
    [TestCase("rim-root", GpuReasons.RimExpired)]
    [TestCase("rim", GpuReasons.RimExpired)]
    public void Gpu_OneSecondOutside_IsExpired(string part, string reason)
    {
        using GpuDevice device = new(name => name == part ? Part : null);
        byte[] nonce = new byte[GpuReport.NonceSize], report = device.Report(nonce);
        ReadOnlyMemory<byte>[] rims = [device.Rim(GpuDevice.DriverVersion, 0, 1), device.Rim(GpuDevice.VbiosVersion, 2)];
        AssertWindow(reason, now => GpuVerifier.Verify(report, device.Chain, rims, nonce, device.Roots, now).Reasons);
    }

    private static void AssertWindow(string reason, Func<DateTimeOffset, IReadOnlyList<string>> reasonsAt)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(reasonsAt(Part.From), Is.Empty, "the first second");
            Assert.That(reasonsAt(Part.Until), Is.Empty, "the last second");
            Assert.That(reasonsAt(Part.From.AddSeconds(-1)), Is.EqualTo(new[] { reason }), "a second too early");
            Assert.That(reasonsAt(Part.Until.AddSeconds(1)), Is.EqualTo(new[] { reason }), "a second too late");
        }
    }
}
