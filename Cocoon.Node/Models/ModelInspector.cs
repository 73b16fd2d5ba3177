using System.Text.Json;
using Cocoon.Node.Enclaves;

namespace Cocoon.Node.Models;

/// <summary>Lets a confined child read a model file: whatever a stranger put into it, this process only sees a short JSON document.</summary>
internal static class ModelInspector
{
    /// <param name="hash">Read all bytes too: the SHA-256 of each file and the model id.</param>
    /// <exception cref="ModelException">The file is not one that an enclave would load.</exception>
    public static async Task<ModelFacts> InspectAsync(string path, bool hash, CancellationToken cancellationToken)
    {
        if (!File.Exists(path))
        {
            throw new ModelException(ModelErrorCode.NotFound, $"there is no model file {path}");
        }

        return Read(path, await ConfinedReader.ReadAsync(EnclaveLaunch.Describe(path, hash), cancellationToken));
    }

    private static ModelFacts Read(string path, string document)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(document);
            if (json.RootElement.TryGetProperty("error", out _))
            {
                throw new ModelException(
                    ModelErrorCode.Refused, $"{Path.GetFileName(path)} is no model that can be served", json.RootElement.GetProperty("message").GetString());
            }

            return json.RootElement.Deserialize<ModelFacts>(ModelJson.Options)!;
        }
        catch (JsonException exception)
        {
            throw new ModelException(ModelErrorCode.Refused, $"{Path.GetFileName(path)} could not be read", "the reader ended without an answer", inner: exception);
        }
    }
}
