using Cocoon.Node.Cli;
using Cocoon.Node.OpenAi;
using Cocoon.Node.Storage;

namespace Cocoon.Node.Control;

/// <summary>API keys as the control API shows and changes them. A secret is in the answer that makes it and in no other.</summary>
internal sealed class KeyReporter(ApiKeyStore store, TimeProvider time)
{
    private static readonly string[] s_tiers = ["cc-gpu", "cc-cpu", "open"];

    public KeysDocument List() => new(ControlJson.Schema, [.. store.List().Select(Row)]);

    public async Task<KeyDocument> CreateAsync(KeyRequest request, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(request.Name) || request.Name.Length > 64 || request.Name.Any(char.IsControl))
        {
            throw new CliException(ExitCode.Usage, "that is no name for a key", "1 to 64 characters are needed", "For example: cocoon keys new telegram-bot --limit 5");
        }

        string[] tiers = [.. request.Tiers ?? []];
        if (tiers.FirstOrDefault(t => !s_tiers.Contains(t)) is { } unknown)
        {
            throw new CliException(ExitCode.Usage, $"there is no tier '{unknown}'", null, "Use cc-gpu, cc-cpu or open, with commas between.");
        }

        try
        {
            (ApiKey key, string secret) = await store.CreateAsync(
                request.Name, tiers, Amount(request.LimitNanoton), Amount(request.DailyLimitNanoton), cancellationToken);
            return new KeyDocument(ControlJson.Schema, Row(key), secret);
        }
        catch (StorageException exception) when (exception.Code is StorageErrorCode.Exists or StorageErrorCode.Full)
        {
            throw new CliException(ExitCode.Usage, "the key was not made", exception.Message, "See 'cocoon keys'.");
        }
    }

    public async Task<KeysDocument> RemoveAsync(string idOrName, CancellationToken cancellationToken) =>
        await store.RemoveAsync(idOrName, cancellationToken)
            ? List()
            : throw new CliException(ExitCode.NotFound, $"there is no key '{idOrName}'", null, "See 'cocoon keys'.");

    private static ulong? Amount(string? nanoton) => nanoton is null
        ? null
        : ulong.TryParse(nanoton, System.Globalization.CultureInfo.InvariantCulture, out ulong amount) && amount is > 0 and <= long.MaxValue
            ? amount
            : throw new CliException(ExitCode.Usage, "that is no limit", "an amount above zero is needed", "For example: --limit 5");

    private KeysDocument.Row Row(ApiKey key)
    {
        bool isToday = key.Day == time.GetUtcNow().ToUnixTimeSeconds() / 86_400;
        return new KeysDocument.Row(
            key.Id, key.Name, key.Tiers, key.LimitNanoton is { } limit ? ControlJson.Nanoton(limit) : null, key.DailyLimitNanoton is { } daily ? ControlJson.Nanoton(daily) : null,
            ControlJson.Nanoton(key.Spent), ControlJson.Nanoton(isToday ? key.SpentToday : 0), key.Requests, key.CreatedAt);
    }
}

internal sealed record KeyRequest(string Name, IReadOnlyList<string>? Tiers, string? LimitNanoton, string? DailyLimitNanoton);

internal sealed record KeyDocument(int Schema, KeysDocument.Row Key, string Secret);

internal sealed record KeysDocument(int Schema, IReadOnlyList<KeysDocument.Row> Keys)
{
    /// <param name="Requests">Requests that were admitted.</param>
    internal sealed record Row(
        string Id, string Name, IReadOnlyList<string> Tiers, string? LimitNanoton, string? DailyLimitNanoton, string SpentNanoton, string SpentTodayNanoton, long Requests,
        DateTimeOffset CreatedAt);
}
