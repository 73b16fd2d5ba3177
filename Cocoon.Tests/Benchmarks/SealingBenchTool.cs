using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Sessions;
using Cocoon.Tests.Protocol.Sessions;
using Google.Protobuf;

namespace Cocoon.Tests.Benchmarks;

/// <summary>Times a 2 KiB request from plaintext over the wire form to plaintext again, and a frame of the answer likewise, in one process.</summary>
internal static class SealingBenchTool
{
    public const string Verb = "sealing-bench";

    private const int RequestSize = 2 << 10;
    private const int Requests = 2_000;
    private const int Frames = 20_000;

    public static int Run(TextWriter output)
    {
        bool isFast = true;
        foreach ((string name, HpkeSuite suite) in Suites())
        {
            isFast &= MeasureRequests(output, name, suite);
            isFast &= MeasureFrames(output, name, suite);
        }

        return isFast ? 0 : 1;
    }

    private static IEnumerable<(string Name, HpkeSuite Suite)> Suites()
    {
        yield return ("x25519 chacha20", HpkeSuite.A);
        yield return ("x25519 aes-gcm", HpkeSuite.B);
        if (HpkeSuite.C is { } hybrid)
        {
            yield return ("x-wing chacha20", hybrid);
        }
    }

    private static bool MeasureRequests(TextWriter output, string name, HpkeSuite suite)
    {
        using SessionPair pair = new(TimeProvider.System, suite, replayCapacity: 2 * Requests);
        pair.Request.Body = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(RequestSize));
        double[] times = new double[Requests];
        for (int i = -Requests / 4; i < Requests; i++)
        {
            long start = Stopwatch.GetTimestamp();
            SealedCall call = pair.Seal();
            OpenedRequest opened = pair.Opener.Open(pair.Session, call.Header, call.Sealed);
            TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
            using (call.Response)
            using (opened.Response)
            {
                Require(opened.Request.Body == pair.Request.Body);
            }

            if (i >= 0)
            {
                times[i] = elapsed.TotalMicroseconds;
            }
        }

        return Report(output, name + " seal + open 2 KiB", times, 1_000);
    }

    private static bool MeasureFrames(TextWriter output, string name, HpkeSuite suite)
    {
        using SessionPair pair = new(TimeProvider.System, suite);
        SealedCall call = pair.Seal();
        using ResponseOpener opener = call.Response;
        using ResponseSealer sealer = pair.Opener.Open(pair.Session, call.Header, call.Sealed).Response;
        byte[] frame = RandomNumberGenerator.GetBytes(ResponseShape.FrameSize);
        double[] times = new double[Frames];

        // The first one agrees on keys; it belongs to the warm-up.
        for (int i = -Frames / 4; i < Frames; i++)
        {
            long start = Stopwatch.GetTimestamp();
            byte[]? opened = opener.TryOpen(sealer.Seal(frame, isFinal: i == Frames - 1));
            TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
            Require(opened.AsSpan().SequenceEqual(frame));
            if (i >= 0)
            {
                times[i] = elapsed.TotalMicroseconds;
            }
        }

        Require(opener.IsComplete);
        return Report(output, name + " frame", times, 50);
    }

    private static void Require(bool isSame)
    {
        if (!isSame)
        {
            throw new InvalidOperationException("what was opened is not what was sealed");
        }
    }

    private static bool Report(TextWriter output, string name, double[] times, double budget)
    {
        Array.Sort(times);
        double median = times[times.Length / 2];
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{name,-34} median {median:0.0} us  p95 {times[times.Length * 95 / 100]:0.0} us  budget {budget} us  {(median < budget ? "ok" : "SLOW")}"));
        return median < budget;
    }
}
