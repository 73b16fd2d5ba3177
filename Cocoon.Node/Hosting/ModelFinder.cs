using Cocoon.Node.Models;

namespace Cocoon.Node.Hosting;

/// <summary>What <c>--model</c> names: a file, a name in the store, or the built-in model.</summary>
internal static class ModelFinder
{
    /// <exception cref="ModelException">Neither a file nor a stored model.</exception>
    public static string Resolve(string? model)
    {
        if (model is null or BuiltInModel.Name)
        {
            return BuiltInModel.Path;
        }

        string path = Path.GetFullPath(model);
        if (File.Exists(path))
        {
            return path;
        }

        ModelStore store = new();
        return store.Find(model) is { } stored
            ? store.PathOf(stored)
            : throw new ModelException(
                ModelErrorCode.NotFound, $"there is no model '{model}'", $"neither a file {path} nor a name in the store",
                "See 'cocoon models list', pull one with 'cocoon models pull OWNER/NAME:QUANT', or leave --model out for the built-in one.");
    }

    /// <summary>The stored model whose file it is; <c>null</c> for a file outside of the store, for which none has to be there.</summary>
    public static StoredModel? Stored(string path) =>
        path.StartsWith(Path.GetFullPath(ModelStore.DefaultRoot) + Path.DirectorySeparatorChar, StringComparison.Ordinal) ? new ModelStore().FindAt(path) : null;
}
