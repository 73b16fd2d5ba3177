using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Attestation;

/// <summary>Damages evidence in every place and demands a refusal.</summary>
internal static class EvidenceFlips
{
    /// <summary>One bit of each byte, another one in each.</summary>
    public static void OnePerByte(byte[] evidence, Func<byte[], bool> isRefused) => Each(evidence, i => [(i * 5) % 8], isRefused);

    public static void EveryBit(byte[] evidence, Func<byte[], bool> isRefused) => Each(evidence, _ => [0, 1, 2, 3, 4, 5, 6, 7], isRefused);

    private static void Each(byte[] evidence, Func<int, int[]> bits, Func<byte[], bool> isRefused)
    {
        for (int i = 0; i < evidence.Length; i++)
        {
            foreach (int bit in bits(i))
            {
                byte[] changed = (byte[])evidence.Clone();
                changed[i] ^= (byte)(1 << bit);
                if (!isRefused(changed))
                {
                    Assert.Fail($"accepted with bit {bit} of byte {i} flipped");
                }
            }
        }
    }
}
