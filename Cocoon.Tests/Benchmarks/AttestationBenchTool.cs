using System.Diagnostics;
using System.Globalization;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.Pki;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;

namespace Cocoon.Tests.Benchmarks;

/// <summary>Times the verification of real evidence from the shared vectors, bytes to verdict; collateral is parsed anew each time.</summary>
internal static class AttestationBenchTool
{
    public const string Verb = "attestation-bench";

    private const int Rounds = 400;

    public static int Run(TextWriter output, TextWriter errors)
    {
        if (TestPaths.Vectors is not { } vectors)
        {
            errors.WriteLine("error: the shared vectors are absent");
            return 4;
        }

        string root = Path.Combine(vectors, "attestation");
        byte[] quote = File.ReadAllBytes(Path.Combine(root, "tdx", "google-v5-90c06f", "quote.bin"));
        byte[][] intel = Folder(Path.Combine(root, "tdx", "collateral", "90c06f-2026-03"));
        DateTimeOffset tdxTime = new(2026, 3, 31, 0, 0, 0, TimeSpan.Zero);
        byte[] report = File.ReadAllBytes(Path.Combine(root, "snp", "genoa-v5", "report.bin"));
        byte[][] amd = [File.ReadAllBytes(Path.Combine(root, "snp", "genoa-v5", "vcek.der")), .. Folder(Path.Combine(root, "snp", "chains", "genoa"))];
        DateTimeOffset snpTime = new(2026, 3, 31, 0, 0, 0, TimeSpan.Zero);
        bool isFast = Measure(output, "tdx full verification", 5, () => TdxVerifier.Verify(quote, Parse(intel), VendorRoots.IntelSgx, tdxTime).Reasons.Count);
        isFast &= Measure(output, "sev-snp full verification", 4, () => SnpVerifier.Verify(report, Parse(amd), SnpRoots.Amd, snpTime).Reasons.Count);
        return isFast ? 0 : 1;
    }

    private static bool Measure(TextWriter output, string name, double budgetMs, Func<int> verify)
    {
        double[] times = new double[Rounds];
        for (int i = -Rounds / 4; i < Rounds; i++)
        {
            long start = Stopwatch.GetTimestamp();
            if (verify() != 0)
            {
                throw new InvalidOperationException(name + ": the evidence is good, but was refused");
            }

            if (i >= 0)
            {
                times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            }
        }

        Array.Sort(times);
        double median = times[Rounds / 2];
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{name,-26} median {median:0.00} ms  p95 {times[Rounds * 95 / 100]:0.00} ms  budget {budgetMs} ms  {(median < budgetMs ? "ok" : "SLOW")}"));
        return median < budgetMs;
    }

    private static CollateralSet Parse(byte[][] files)
    {
        CollateralSet set = new();
        foreach (byte[] file in files)
        {
            CollateralReader.TryRead(file, set);
        }

        return set;
    }

    private static byte[][] Folder(string path) => [.. Directory.GetFiles(path).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];
}
