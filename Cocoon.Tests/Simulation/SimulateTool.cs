using System.Globalization;

namespace Cocoon.Tests.Simulation;

/// <summary>The verb behind <c>scripts/simulate</c>.</summary>
internal static class SimulateTool
{
    public const string Verb = "simulate";

    private const string Usage = """
        usage: scripts/simulate [--nodes N] [--providers P] [--models M] [--churn C] [--dialable D] [--minutes M] [--seed S]
                                [--connections LOW:HIGH] [--start warm|cold] [-o table|json]
          --nodes N         all nodes (default 100)
          --providers P     nodes that serve a model (default a twentieth)
          --models M        models, popular as 1/rank (default one for each 25 providers)
          --churn C         share of the nodes replaced per minute (default 0.02)
          --dialable D      share of the clients that others can dial (default 0.5)
          --minutes M       virtual minutes measured after the network formed (default 3)
          --seed S          the same seed is the same run (default 1)
          --start S         warm: the network is there, nodes begin with the tables and connections they would have (default);
                            cold: it forms from nothing through its bootstrap nodes
          --connections L:H watermarks of trimming (default 24:32; the node's own are 160:192)
        """;

    public static int Run(string[] arguments, TextWriter output, TextWriter errors)
    {
        SimulationOptions options = new();
        int? providers = null;
        bool json = false;
        for (int i = 0; i < arguments.Length; i += 2)
        {
            string value = i + 1 < arguments.Length ? arguments[i + 1] : "";
            bool isCount = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int count);
            bool isNumber = double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number);
            switch (arguments[i])
            {
                case "--nodes" when isCount && count >= 10:
                    options = options with { Nodes = count };
                    break;
                case "--providers" when isCount:
                    providers = count;
                    break;
                case "--models" when isCount && count > 0:
                    options = options with { Models = count };
                    break;
                case "--churn" when isNumber && number <= 1:
                    options = options with { Churn = number };
                    break;
                case "--dialable" when isNumber && number <= 1:
                    options = options with { Dialable = number };
                    break;
                case "--minutes" when isNumber && number > 0:
                    options = options with { Minutes = number };
                    break;
                case "--seed" when isCount:
                    options = options with { Seed = count };
                    break;
                case "--connections" when value.Split(':') is [var low, var high] && int.TryParse(low, out int l) && int.TryParse(high, out int h) && l > 0 && h > l:
                    options = options with { ConnectionsLow = l, ConnectionsHigh = h };
                    break;
                case "--start" when value is "warm" or "cold":
                    options = options with { Cold = value == "cold" };
                    break;
                case "-o" or "--output" when value is "table" or "json":
                    json = value == "json";
                    break;
                case "-h" or "--help":
                    output.WriteLine(Usage);
                    return 0;
                default:
                    string option = $"  {arguments[i]} ";
                    string? known = Usage.Split('\n').FirstOrDefault(line => line.StartsWith("  --", StringComparison.Ordinal) && (line + " ").Contains(option, StringComparison.Ordinal));
                    errors.WriteLine(known is null ? $"error: there is no option '{arguments[i]}'" : $"error: '{value}' is no value of {arguments[i]}: {known.Trim()}");
                    errors.WriteLine("  fix  scripts/simulate --help lists the options");
                    return 2;
            }
        }

        options = options with { Providers = Math.Min(providers ?? Math.Max(1, options.Nodes / 20), options.Nodes - options.BootstrapCount) };
        Simulation simulation = new(options);
        SimulationReport report = simulation.Run(errors.WriteLine);
        output.WriteLine(json ? report.ToJson() : report.ToTable());
        if (report.Strays == 0)
        {
            return 0;
        }

        errors.WriteLine($"error: {report.Strays} callbacks came from outside the loop, so the run is not repeatable; the first one:\n{simulation.Loop.StrayOrigin}");
        return 1;
    }
}
