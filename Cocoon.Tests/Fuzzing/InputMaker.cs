using System.Buffers.Binary;

namespace Cocoon.Tests.Fuzzing;

/// <summary>Makes the inputs of one target: random bytes, and samples that were cut, flipped, spliced and given odd lengths.</summary>
/// <remarks>Input <c>i</c> of a seed is always the same, so a finding can be repeated alone.</remarks>
internal sealed class InputMaker(int seed, int maxLength, byte[][] samples)
{
    private const int MaxGrowth = 64;

    /// <summary>Numbers at which length and range checks break.</summary>
    private static readonly ulong[] Odd =
    [
        0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
        0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
    ];

    public byte[] Make(long index)
    {
        Random random = new(unchecked((seed * 397) ^ index.GetHashCode()));
        if (samples.Length == 0 || random.Next(5) == 0)
        {
            byte[] noise = new byte[random.Next(maxLength + 1)];
            random.NextBytes(noise);
            return noise;
        }

        List<byte> bytes = [.. samples[random.Next(samples.Length)]];
        for (int changes = random.Next(1, 5); changes > 0; changes--)
        {
            Change(random, bytes);
        }

        return [.. bytes];
    }

    /// <summary>Every truncation and every flipped bit of each sample.</summary>
    public IEnumerable<byte[]> Exhaustive()
    {
        foreach (byte[] sample in samples)
        {
            for (int length = 0; length <= sample.Length; length++)
            {
                yield return sample[..length];
            }

            for (int bit = 0; bit < 8 * sample.Length; bit++)
            {
                byte[] flipped = (byte[])sample.Clone();
                flipped[bit / 8] ^= (byte)(1 << (bit % 8));
                yield return flipped;
            }
        }
    }

    private void Change(Random random, List<byte> bytes)
    {
        int at = random.Next(bytes.Count + 1);
        int length = random.Next(1, 17);
        switch (random.Next(9))
        {
            case 0 when at < bytes.Count:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when at < bytes.Count:
                bytes[at] = (byte)random.Next(256);
                break;
            case 2:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
            case 3:
                bytes.RemoveRange(at, Math.Min(length, bytes.Count - at));
                break;
            case 4:
                byte[] noise = new byte[random.Next(1, MaxGrowth)];
                random.NextBytes(noise);
                bytes.InsertRange(at, noise);
                break;
            case 5:
                bytes.InsertRange(at, bytes.GetRange(at, Math.Min(length, bytes.Count - at)));
                break;
            case 6:
                byte[] other = samples[random.Next(samples.Length)];
                int from = random.Next(other.Length + 1);
                bytes.RemoveRange(at, bytes.Count - at);
                bytes.AddRange(other[from..]);
                break;
            case 7:
                OverwriteNumber(random, bytes, at);
                break;
            default:
                InsertVarint(bytes, at, Odd[random.Next(Odd.Length)]);
                break;
        }
    }

    private static void OverwriteNumber(Random random, List<byte> bytes, int at)
    {
        byte[] number = new byte[8];
        ulong value = Odd[random.Next(Odd.Length)];
        int width = 1 << random.Next(4);
        bool bigEndian = random.Next(2) == 0;
        if (bigEndian)
        {
            BinaryPrimitives.WriteUInt64BigEndian(number, value);
        }
        else
        {
            BinaryPrimitives.WriteUInt64LittleEndian(number, value);
        }

        for (int i = 0; i < width && at + i < bytes.Count; i++)
        {
            bytes[at + i] = number[bigEndian ? 8 - width + i : i];
        }
    }

    private static void InsertVarint(List<byte> bytes, int at, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
        {
            bytes.Insert(at++, (byte)(value | 0x80));
        }

        bytes.Insert(at, (byte)value);
    }
}
