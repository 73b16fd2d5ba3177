using System.Globalization;
using Cocoon.Node.Cli;
using Cocoon.Node.Enclaves;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Payments.Proto;

namespace Cocoon.Node.Control;

/// <summary>The owner's switch and prices, read and set while the node runs.</summary>
internal sealed class ServingReporter(ServingSwitch serving, ServingPrices prices, InferenceServer server, IEnclave enclave)
{
    private const ulong MaxPrice = 1_000_000_000_000;

    public ServingDocument Report()
    {
        Prices current = prices.Current, floor = prices.Floor;
        return new ServingDocument(
            ControlJson.Schema,
            serving.IsOpen,
            serving.Word,
            server.OpenSessions,
            enclave.Load.Active,
            prices.IsAutomatic,
            prices.Factor,
            Describe(current),
            Describe(floor));
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
    /// <exception cref="CliException">Out of range.</exception>
    public ServingDocument SetPrices(PriceRequest request)
    {
        Prices floor = prices.Floor;
        floor.Prompt = Read(request.PromptNanoton, floor.Prompt);
        floor.Cached = Read(request.CachedNanoton, floor.Cached);
        floor.Completion = Read(request.CompletionNanoton, floor.Completion);
        prices.SetFloor(floor);
        return Report();
    }

    private static ulong Read(string? text, ulong otherwise) => text is null
        ? otherwise
        : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong price) && price <= MaxPrice
            ? price
            : throw new CliException(ExitCode.Usage, $"a price of {text} nanoTON per 1,000,000 tokens is out of range", "0 to 1000 TON is allowed");

    private static ServingDocument.PriceSet Describe(Prices prices) =>
        new(ControlJson.Nanoton(prices.Prompt), ControlJson.Nanoton(prices.Cached), ControlJson.Nanoton(prices.Completion));
}

/// <summary>nanoTON per 10⁶ tokens as strings; absent ones stay as they are.</summary>
internal sealed record PriceRequest(string? PromptNanoton, string? CachedNanoton, string? CompletionNanoton);

/// <param name="State">In words, for people.</param>
/// <param name="Factor">What the floor is multiplied by now.</param>
internal sealed record ServingDocument(
    int Schema, bool Open, string State, int Sessions, uint Running, bool AutoPrice, double Factor, ServingDocument.PriceSet Prices, ServingDocument.PriceSet Floor)
{
    internal sealed record PriceSet(string PromptNanoton, string CachedNanoton, string CompletionNanoton);
}
