using System.Globalization;
using Cocoon.Node.Cli;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Payments.Proto;

namespace Cocoon.Node.Control;

/// <summary>The owner's switch and prices, read and set while the node runs.</summary>
internal sealed class ServingReporter(ServingSwitch serving, OfferedModels models, InferenceServer server)
{
    private const ulong MaxPrice = 1_000_000_000_000;

    public ServingDocument Report()
    {
        ServingDocument.Model[] all = [.. models.All.Select(Describe)];
        return new ServingDocument(
            ControlJson.Schema,
            serving.IsOpen,
            serving.Word,
            server.OpenSessions,
            (uint)all.Sum(m => m.Running),
            all);
    }

    /// <exception cref="CliException">Another word than pause or resume.</exception>
    public ServingDocument Switch(string verb)
    {
        if (verb is not ("pause" or "resume"))
        {
            throw new CliException(ExitCode.Usage, $"'{verb}' is not something to do", null, "Use pause or resume.");
        }

        serving.Set(ServingPause.Owner, verb == "pause");
        return Report();
    }

    /// <summary>Sets the prices that are named; the others stay.</summary>
    /// <exception cref="CliException">Out of range, no such model, or several and none named.</exception>
    public ServingDocument SetPrices(PriceRequest request)
    {
        ServingPrices prices = Choose(request.Model).Prices;
        Prices floor = prices.Floor;
        floor.Prompt = Read(request.PromptNanoton, floor.Prompt);
        floor.Cached = Read(request.CachedNanoton, floor.Cached);
        floor.Completion = Read(request.CompletionNanoton, floor.Completion);
        prices.SetFloor(floor);
        return Report();
    }

    private OfferedModel Choose(string? name)
    {
        string known = string.Join(", ", models.All.Select(m => m.Name ?? "(starting)"));
        return name is not null
            ? models.Find(name) ?? throw new CliException(ExitCode.NotFound, $"this node serves no model '{name}'", null, $"It serves {known}.")
            : models.All.Count == 1
                ? models.All[0]
                : throw new CliException(ExitCode.Usage, "this node serves several models", null, $"Name one with --model: {known}.");
    }

    private static ServingDocument.Model Describe(OfferedModel model) => new(
        model.Name,
        model.Enclave.Status.ToString().ToLowerInvariant(),
        model.Enclave.Load.Active,
        model.Enclave.Info?.Ready.Slots ?? 0,
        model.Prices.IsAutomatic,
        model.Prices.Factor,
        Describe(model.Prices.Current),
        Describe(model.Prices.Floor));

    private static ulong Read(string? text, ulong otherwise) => text is null
        ? otherwise
        : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong price) && price <= MaxPrice
            ? price
            : throw new CliException(ExitCode.Usage, $"a price of {text} nanoTON per 1,000,000 tokens is out of range", "0 to 1000 TON is allowed");

    private static ServingDocument.PriceSet Describe(Prices prices) =>
        new(ControlJson.Nanoton(prices.Prompt), ControlJson.Nanoton(prices.Cached), ControlJson.Nanoton(prices.Completion));
}

/// <summary>nanoTON per 10⁶ tokens as strings; absent ones stay as they are. Model: name or id; needed when there are several.</summary>
internal sealed record PriceRequest(string? PromptNanoton, string? CachedNanoton, string? CompletionNanoton, string? Model = null);

/// <param name="State">In words, for people.</param>
/// <param name="Running">Answers of all models.</param>
internal sealed record ServingDocument(int Schema, bool Open, string State, int Sessions, uint Running, IReadOnlyList<ServingDocument.Model> Models)
{
    /// <param name="Factor">What the floor is multiplied by now.</param>
    internal sealed record Model(string? Name, string Status, uint Running, uint Slots, bool AutoPrice, double Factor, PriceSet Prices, PriceSet Floor);

    internal sealed record PriceSet(string PromptNanoton, string CachedNanoton, string CompletionNanoton);
}
