using System.Security.Cryptography;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Sessions;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Sessions;

internal sealed class KnownEvidenceTests
{
    /// <summary>Whoever shows evidence chooses its size, and can show other evidence with every session.</summary>
    [Test]
    public void Add_OfTheLargestBundles_KeepsTheLastOfThemWithinItsBytes()
    {
        KnownEvidence known = new();
        byte[][] digests = [.. Enumerable.Range(0, 64).Select(i => SHA256.HashData([(byte)i]))];
        foreach (byte[] digest in digests)
        {
            known.Add(digest, new byte[EvidenceBundle.MaxSize]);
            known.Add(digest, new byte[EvidenceBundle.MaxSize]);
        }

        int kept = digests.Count(digest => known.Contains(digest));
        Assert.That((long)kept * EvidenceBundle.MaxSize, Is.InRange(1, KnownEvidence.MaxBytes));
        Assert.That(known.TryGet(digests[^1], out _), Is.True);
        Assert.That(known.Contains(digests[0]), Is.False);
    }
}
