using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Cocoon.Node.Models;

/// <summary>Finds the GGUF files of a Hugging Face repository, with sizes and SHA-256 from its file list.</summary>
/// <remarks><c>$HF_ENDPOINT</c> names another server with the same API, <c>$HF_TOKEN</c> opens gated repositories.</remarks>
internal sealed partial class HuggingFaceRepository(HttpClient http)
{
    private const int MaxListing = 16 << 20;

    // What most people want first: small enough for most cards, good enough for most uses.
    private static readonly string[] Preferred = ["Q4_K_M", "Q4_K_S", "Q5_K_M", "Q4_0", "Q8_0"];

    public static Uri Endpoint => Environment.GetEnvironmentVariable("HF_ENDPOINT") is { Length: > 0 } other && Uri.TryCreate(other.TrimEnd('/') + "/", UriKind.Absolute, out Uri? uri)
        ? uri
        : new Uri("https://huggingface.co/");

    public static AuthenticationHeaderValue? Authorization =>
        Environment.GetEnvironmentVariable("HF_TOKEN") is { Length: > 0 } token ? new AuthenticationHeaderValue("Bearer", token) : null;

    /// <summary>All parts of the one model that is wanted, in split order.</summary>
    /// <exception cref="ModelException">No such repository or file, or the server does not answer.</exception>
    public async Task<IReadOnlyList<RemoteFile>> FindAsync(ModelSource.HuggingFace source, CancellationToken cancellationToken)
    {
        List<RemoteFile> all = await ListAsync(source, cancellationToken);
        IGrouping<string, RemoteFile>[] models = [.. all.GroupBy(f => Split().Replace(f.Name, ".gguf"))];
        IGrouping<string, RemoteFile>? chosen = source.Want switch
        {
            null => Preferred.Select(q => models.FirstOrDefault(m => Has(m.Key, q))).FirstOrDefault(m => m is not null) ?? models.FirstOrDefault(),
            var file when file.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) =>
                models.FirstOrDefault(m => m.Any(f => f.Address.AbsolutePath.EndsWith("/" + Uri.EscapeDataString(file).Replace("%2F", "/", StringComparison.Ordinal), StringComparison.Ordinal))),
            var quantisation => models.FirstOrDefault(m => Has(m.Key, quantisation)),
        };
        return chosen is null
            ? throw new ModelException(
                ModelErrorCode.NotFound,
                $"{source.Repository} has no {source.Want ?? "GGUF file"}",
                models.Length == 0 ? "there is no GGUF file in it" : "it has: " + string.Join(", ", models.Take(20).Select(m => m.Key)),
                $"For example: cocoon models pull {source.Repository}:{(models.Length > 0 ? models[0].Key : "Q4_K_M")}")
            : [.. chosen.OrderBy(f => f.Name, StringComparer.Ordinal)];
    }

    private async Task<List<RemoteFile>> ListAsync(ModelSource.HuggingFace source, CancellationToken cancellationToken)
    {
        Uri listing = new(Endpoint, $"api/models/{source.Repository}/tree/{Uri.EscapeDataString(source.Revision)}?recursive=true");
        using HttpRequestMessage request = new(HttpMethod.Get, listing);
        request.Headers.Authorization = Authorization;
        try
        {
            using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
            {
                throw new ModelException(
                    ModelErrorCode.NotFound, $"there is no repository {source.Repository} at {Endpoint.Host}, or it is gated", $"HTTP {(int)response.StatusCode}",
                    "Check the name; for gated models accept their terms on the site and set HF_TOKEN.");
            }

            response.EnsureSuccessStatusCode();
            await using Stream body = await response.Content.ReadAsStreamAsync(cancellationToken);
            using MemoryStream bounded = new();
            byte[] buffer = new byte[81920];
            while (await body.ReadAsync(buffer, cancellationToken) is var read and > 0)
            {
                if (bounded.Length + read > MaxListing)
                {
                    throw new ModelException(ModelErrorCode.Network, $"the file list of {source.Repository} is too long");
                }

                bounded.Write(buffer, 0, read);
            }

            using JsonDocument document = JsonDocument.Parse(bounded.GetBuffer().AsMemory(0, (int)bounded.Length));
            return [.. document.RootElement.EnumerateArray().Select(entry => Read(entry, source)).OfType<RemoteFile>()];
        }
        catch (Exception exception) when (exception is HttpRequestException or JsonException or InvalidOperationException)
        {
            throw new ModelException(ModelErrorCode.Network, $"{Endpoint.Host} does not list {source.Repository}", exception.Message, "Try again later.", exception);
        }
    }

    private static RemoteFile? Read(JsonElement entry, ModelSource.HuggingFace source)
    {
        if (!entry.TryGetProperty("path", out JsonElement name) || name.GetString() is not { } path || path.Any(char.IsControl) || !path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase)
            || Path.GetFileName(path).StartsWith("mmproj", StringComparison.OrdinalIgnoreCase) || path.Contains("..", StringComparison.Ordinal))
        {
            return null;
        }

        string escaped = Uri.EscapeDataString(path).Replace("%2F", "/", StringComparison.Ordinal);
        string? sha256 = entry.TryGetProperty("lfs", out JsonElement lfs) && lfs.TryGetProperty("oid", out JsonElement oid) ? oid.GetString()?.ToLowerInvariant() : null;
        return new RemoteFile(
            new Uri(Endpoint, $"{source.Repository}/resolve/{Uri.EscapeDataString(source.Revision)}/{escaped}"),
            Path.GetFileName(path),
            entry.TryGetProperty("size", out JsonElement size) && size.TryGetInt64(out long bytes) ? bytes : null,
            sha256 is { Length: 64 } ? sha256 : null);
    }

    private static bool Has(string fileName, string quantisation)
    {
        int at = fileName.IndexOf(quantisation, StringComparison.OrdinalIgnoreCase);
        int end = at + quantisation.Length;
        return at > 0 && (fileName[at - 1] is '-' or '.') && (end == fileName.Length || fileName[end] is '.' or '-');
    }

    [GeneratedRegex(@"-\d{5}-of-\d{5}\.gguf$")]
    private static partial Regex Split();
}
