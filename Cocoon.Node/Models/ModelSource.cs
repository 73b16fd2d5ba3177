using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Cocoon.Node.Models;

/// <summary>Where a model is to be had: a file URL, or a Hugging Face repository with a quantisation or file. A closed set.</summary>
internal abstract partial record ModelSource
{
    private ModelSource()
    {
    }

    /// <summary>One file by URL.</summary>
    public sealed record Url(Uri Address) : ModelSource;

    /// <param name="Repository"><c>owner/name</c>.</param>
    /// <param name="Revision">Branch, tag or commit.</param>
    /// <param name="Want">A quantisation such as <c>Q4_K_M</c>, or a path ending in <c>.gguf</c>; <c>null</c>: the usual one.</param>
    public sealed record HuggingFace(string Repository, string Revision, string? Want) : ModelSource;

    /// <summary>Reads <c>https://…/x.gguf</c>, <c>hf:owner/name[@revision][:QUANT|:file.gguf]</c>, the same without <c>hf:</c>, and URLs of Hugging Face's pages.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out ModelSource? source)
    {
        source = null;
        if (text.Contains("://", StringComparison.Ordinal))
        {
            if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? address) || !IsAllowed(address))
            {
                return false;
            }

            source = address.Host is "huggingface.co" or "hf.co" && PagePattern().Match(address.AbsolutePath) is { Success: true } page
                ? new HuggingFace(page.Groups["repo"].Value, page.Groups["rev"].Value, Uri.UnescapeDataString(page.Groups["file"].Value))
                : new Url(address);
            return true;
        }

        Match match = RepositoryPattern().Match(text);
        if (!match.Success)
        {
            return false;
        }

        source = new HuggingFace(
            match.Groups["repo"].Value, match.Groups["rev"] is { Success: true } revision ? revision.Value : "main", match.Groups["want"] is { Success: true } want ? want.Value : null);
        return true;
    }

    /// <summary>Models come over TLS; plain HTTP is for servers on this machine.</summary>
    public static bool IsAllowed(Uri address) => address.Scheme == Uri.UriSchemeHttps || (address.Scheme == Uri.UriSchemeHttp && address.IsLoopback);

    [GeneratedRegex("^(hf:)?(?<repo>[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95})(@(?<rev>[A-Za-z0-9._-]{1,64}))?(:(?<want>[A-Za-z0-9][A-Za-z0-9._/-]{0,200}))?$", RegexOptions.ExplicitCapture)]
    private static partial Regex RepositoryPattern();

    [GeneratedRegex("^/(?<repo>[^/]+/[^/]+)/(resolve|blob)/(?<rev>[^/]+)/(?<file>.+\\.gguf)$", RegexOptions.ExplicitCapture)]
    private static partial Regex PagePattern();
}
