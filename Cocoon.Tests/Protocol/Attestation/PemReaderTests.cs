using System.Text;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.Pki;
using Cocoon.Tests.Protocol.Attestation.Synthetic;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Attestation;

public sealed class PemReaderTests
{
    private TestAuthority _root = null!;

    [OneTimeSetUp]
    public void SetUp() => _root = TestAuthority.Root("root");

    [OneTimeTearDown]
    public void TearDown() => _root.Dispose();

    [Test]
    public void Read_CanonicalForms_Accepts()
    {
        string pem = _root.Pem();
        foreach (string text in (string[])[pem, pem + "\0", pem + pem])
        {
            Assert.That(PemReader.ReadCertificates(Encoding.ASCII.GetBytes(text)), Has.Count.EqualTo(text.Length > pem.Length * 3 / 2 ? 2 : 1));
        }
    }

    [Test]
    public void Read_AnotherSpelling_IsRefused()
    {
        string pem = _root.Pem();
        int body = pem.IndexOf('\n', StringComparison.Ordinal) + 1;
        foreach (string text in (string[])
            [
                "x" + pem, pem + "x", " " + pem, pem.TrimEnd('\n'), pem + "\n", pem + "\0\0", pem.TrimEnd('\n') + "\0", pem + "\n\0", pem + "\n" + pem,
                pem.Replace("\n", "\r\n", StringComparison.Ordinal), pem.TrimEnd('\n') + pem, pem.Insert(body + 3, "\n"), pem.Insert(body + 3, " "), pem.Replace("-----END", "----END", StringComparison.Ordinal), pem[..^30],
            ])
        {
            Assert.That(() => PemReader.Read(Encoding.ASCII.GetBytes(text)), Throws.InstanceOf<EvidenceException>(), text);
        }
    }

    /// <remarks>The footer's first dashes are the header's last.</remarks>
    [Test]
    public void Read_FooterInsideTheHeader_IsRefusedByBoth()
    {
        byte[] text = "-----BEGIN CERTIFICATE-----END CERTIFICATE-----\n"u8.ToArray();
        Assert.That(() => PemReader.Read(text), Throws.InstanceOf<EvidenceException>());
        Assert.That(() => PemReader.ReadLoose(text), Throws.InstanceOf<EvidenceException>());
    }

    [Test]
    public void ReadLoose_TextAroundAndDamage_ReadsTheOneAndRefusesTheOther()
    {
        string pem = _root.Pem();
        Assert.That(PemReader.ReadLoose(Encoding.ASCII.GetBytes("subject=root\n" + pem + "\nissuer\n" + pem)), Has.Count.EqualTo(2));
        Assert.That(() => PemReader.ReadLoose(Encoding.ASCII.GetBytes(pem + pem.Insert(60, "!"))), Throws.InstanceOf<EvidenceException>());
    }

    [Test]
    public void Collateral_InEachFormOfItsSources_IsRead()
    {
        string pem = _root.Pem();
        byte[] crl = _root.Revoke(TdxPlatform.IssueDate, TdxPlatform.NextUpdate);
        foreach (byte[] form in (byte[][])
            [
                _root.Der, Encoding.ASCII.GetBytes(pem), Encoding.ASCII.GetBytes(Uri.EscapeDataString(pem)),
                Encoding.ASCII.GetBytes("TCB-Info-Issuer-Chain: " + Uri.EscapeDataString(pem)), Encoding.ASCII.GetBytes(Convert.ToHexString(_root.Der)),
                Encoding.ASCII.GetBytes(Convert.ToBase64String(_root.Der) + "\n"), Encoding.UTF8.GetBytes(System.Text.Json.JsonSerializer.Serialize(new { certificate_chain = pem })),
            ])
        {
            CollateralSet set = new();
            Assert.That(CollateralReader.TryRead(form, set), Encoding.Latin1.GetString(form));
            Assert.That(set.Certificates.Single().Raw.Span.SequenceEqual(_root.Der));
        }

        foreach (byte[] form in (byte[][])[crl, Encoding.ASCII.GetBytes(Convert.ToHexStringLower(crl)), Encoding.ASCII.GetBytes(Convert.ToBase64String(crl))])
        {
            CollateralSet set = new();
            Assert.That(CollateralReader.TryRead(form, set));
            Assert.That(set.RevocationLists, Has.Count.EqualTo(1));
        }
    }

    [Test]
    public void Collateral_HostileBytes_GiveFalseOrTheParsersOwnError() => Support.Hostile.Bytes(
        600,
        bytes =>
        {
            try
            {
                CollateralReader.TryRead(bytes, new CollateralSet());
            }
            catch (EvidenceException)
            {
            }
        },
        Convert.ToHexString(_root.Der),
        Convert.ToHexString(Encoding.ASCII.GetBytes(_root.Pem())),
        Convert.ToHexString(_root.Revoke(TdxPlatform.IssueDate, TdxPlatform.NextUpdate, _root)),
        Convert.ToHexString(Encoding.UTF8.GetBytes($$"""{"tcbInfo":{"id":"TDX"},"signature":"{{new string('0', 128)}}"}""")));
}
