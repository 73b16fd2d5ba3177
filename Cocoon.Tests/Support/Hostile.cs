namespace Cocoon.Tests.Support;

/// <summary>Hostile bytes for parsers: random ones, and truncated, mutated and extended samples.</summary>
internal static class Hostile
{
    /// <summary>COCOON_FUZZ_CASES raises the number of cases; COCOON_FUZZ_SEED repeats a run.</summary>
    public static int Cases { get; } = int.TryParse(Environment.GetEnvironmentVariable("COCOON_FUZZ_CASES"), out int cases) ? cases : 10_000;

    private static int Seed { get; } =
        int.TryParse(Environment.GetEnvironmentVariable("COCOON_FUZZ_SEED"), out int seed) ? seed : Environment.TickCount;

    /// <summary>Runs <paramref name="parse"/> over random inputs and disturbed samples; a failure names the seed and the input.</summary>
    public static void Bytes(int maxLength, Action<byte[]> parse, params string[] samples)
    {
        Random random = new(Seed);
        byte[][] seeds = Array.ConvertAll(samples, Convert.FromHexString);
        for (int i = 0; i < Cases; i++)
        {
            byte[] input = seeds.Length > 0 && i % 3 != 0 ? Disturb(random, seeds[random.Next(seeds.Length)]) : RandomBytes(random, maxLength);
            try
            {
                parse(input);
            }
            catch (Exception exception)
            {
                throw new NUnit.Framework.AssertionException($"seed {Seed}, case {i}, input {Convert.ToHexStringLower(input)}: {exception.Message}", exception);
            }
        }
    }

    private static byte[] RandomBytes(Random random, int maxLength)
    {
        byte[] bytes = new byte[random.Next(maxLength + 1)];
        random.NextBytes(bytes);
        return bytes;
    }

    private static byte[] Disturb(Random random, byte[] sample)
    {
        byte[] bytes = (byte[])sample.Clone();
        switch (random.Next(3))
        {
            case 0:
                return bytes[..random.Next(bytes.Length + 1)];
            case 1:
                return [.. bytes, .. RandomBytes(random, 16)];
            default:
                for (int flips = random.Next(1, 5); flips > 0 && bytes.Length > 0; flips--)
                {
                    bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                }

                return bytes;
        }
    }
}
