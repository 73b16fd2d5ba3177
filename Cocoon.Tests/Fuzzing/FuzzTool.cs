using System.Diagnostics;
using System.Globalization;

namespace Cocoon.Tests.Fuzzing;

/// <summary>The verb behind <c>scripts/fuzz</c>.</summary>
internal static class FuzzTool
{
    public const string Verb = "fuzz";

    private const string Usage = """
        usage: scripts/fuzz [--target NAME]… [--count N] [--seed S] [--workers N] [--exhaustive] [--list]
          --target NAME   a target, or an area such as libp2p; repeatable (default: all)
          --count N       inputs a target (default 1000000)
          --seed S        repeats a run (default: the clock)
          --exhaustive    also every truncation and every flipped bit of each sample, and of recorded evidence where there is some
          --list          prints the targets
        Exit codes: 0 nothing found, 1 a finding, 2 usage.
        """;

    public static int Run(string[] arguments, TextWriter output, TextWriter errors)
    {
        List<string> names = [];
        long count = 1_000_000;
        int seed = Environment.TickCount, workers = Environment.ProcessorCount;
        bool exhaustive = false;
        for (int i = 0; i < arguments.Length; i++)
        {
            string? value = i + 1 < arguments.Length ? arguments[i + 1] : null;
            switch (arguments[i])
            {
                case "--list":
                    FuzzTargets.All.ToList().ForEach(target => output.WriteLine(target.Name + (target.IsExhaustiveOnly ? " (with --exhaustive)" : "")));
                    return 0;
                case "--exhaustive":
                    exhaustive = true;
                    continue;
                case "--target" when value is not null:
                    names.Add(value);
                    break;
                case "--count" when long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out count):
                case "--seed" when int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out seed):
                case "--workers" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out workers) && workers > 0:
                    break;
                default:
                    errors.WriteLine(arguments[i] is "--help" or "-h" ? Usage : $"error: unknown option or bad value: {arguments[i]}\n{Usage}");
                    return arguments[i] is "--help" or "-h" ? 0 : 2;
            }

            i++;
        }

        FuzzTarget[] chosen = [.. FuzzTargets.All.Where(target => exhaustive || !target.IsExhaustiveOnly).Where(target => names.Count == 0 || names.Exists(name => target.Name == name || target.Name.StartsWith(name + "/", StringComparison.Ordinal)))];
        if (chosen.Length == 0)
        {
            errors.WriteLine($"error: no such target: {string.Join(", ", names)}\n  fix  scripts/fuzz --list");
            return 2;
        }

        output.WriteLine($"seed {seed}, {count} inputs a target, {workers} workers");
        int findings = 0;
        foreach (FuzzTarget target in chosen)
        {
            long start = Stopwatch.GetTimestamp();
            FuzzRun run = new(target, seed, exhaustive);
            FuzzFinding? finding = run.Run(count, workers);
            output.WriteLine($"{(finding is null ? "ok  " : "FAIL")} {target.Name,-34} {run.Tried,9} inputs {Stopwatch.GetElapsedTime(start).TotalSeconds,7:F1} s");
            if (finding is not null)
            {
                findings++;
                output.WriteLine(finding);
            }

            output.Flush();
        }

        output.WriteLine($"{chosen.Length} targets, {findings} findings, seed {seed}");
        return findings == 0 ? 0 : 1;
    }
}
