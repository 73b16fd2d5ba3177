using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Attestation;

/// <summary>Damages evidence in every place and demands a refusal. Every bit of it: <c>scripts/fuzz --exhaustive</c>.</summary>
internal static class EvidenceFlips
{
    /// <summary>One bit of each byte, another one in each.</summary>
    public static void OnePerByte(byte[] evidence, Func<byte[], bool> isRefused)
    {
        for (int i = 0; i < evidence.Length; i++)
        {
            int bit = (i * 5) % 8;
            byte[] changed = (byte[])evidence.Clone();
            changed[i] ^= (byte)(1 << bit);
            if (!isRefused(changed))
            {
                Assert.Fail($"accepted with bit {bit} of byte {i} flipped");
            }
        }
    }
}
