using System.CommandLine;
using System.Globalization;
using Cocoon.Node.Serving;

namespace Cocoon.Node.Cli;

/// <summary>The options that say where models go on a machine with GPUs; with several models the n-th value is the n-th model's.</summary>
internal sealed class GpuOptionSet
{
    private readonly Option<int[]> _layers = new Option<int[]>("--gpu-layers") { Description = "Layers on GPUs (0: none, -1: all that fit)", DefaultValueFactory = _ => [-1] }.Within(-1, 10_000);
    private readonly Option<string[]> _devices = new("--gpu-devices") { Description = "GPUs to use, as 'cocoon gpu' names them (default: all)", HelpName = "A,B", DefaultValueFactory = _ => [] };
    private readonly Option<string[]> _split = new("--split-mode") { Description = "Over several GPUs: layer, row, or none for one GPU", HelpName = "MODE", DefaultValueFactory = _ => ["layer"] };
    private readonly Option<int[]> _main = new Option<int[]>("--main-gpu") { Description = "Which of the GPUs with --split-mode none", HelpName = "N", DefaultValueFactory = _ => [0] }.Within(0, 63);
    private readonly Option<string[]> _shares = new("--tensor-split") { Description = "Share of each GPU, such as 3,1 (default: by free memory)", HelpName = "A,B", DefaultValueFactory = _ => [] };

    /// <summary>Those of which the n-th value is the n-th model's: all of them.</summary>
    public IReadOnlyList<Option> EachModels => [_layers, _devices, _split, _main, _shares];

    public void AddTo(Command command)
    {
        foreach (Option option in EachModels)
        {
            command.Options.Add(option);
        }
    }

    /// <exception cref="CliException">A value that means nothing.</exception>
    public GpuOptions Read(ParseResult parse, int model)
    {
        string split = PerModel.Value(parse, _split, model, "layer");
        if (split is not ("layer" or "row" or "none"))
        {
            throw new CliException(ExitCode.Usage, $"'{split}' is no way to split a model", null, "Use --split-mode layer, row or none.");
        }

        string shares = PerModel.Value(parse, _shares, model, "");
        float[] read = [.. Parts(shares).Select(s => float.TryParse(s, NumberStyles.Float, CultureInfo.InvariantCulture, out float share) && share is >= 0 and <= 1_000_000
            ? share
            : throw new CliException(ExitCode.Usage, $"'{shares}' is no tensor split", "it is a list of numbers that are not negative", "For example --tensor-split 3,1."))];
        return new GpuOptions(
            PerModel.Value(parse, _layers, model, -1), [.. Parts(PerModel.Value(parse, _devices, model, ""))], split, PerModel.Value(parse, _main, model, 0), read);
    }

    private static string[] Parts(string list) => list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}
