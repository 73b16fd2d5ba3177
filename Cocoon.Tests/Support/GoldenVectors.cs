using System.Text.Json;
using NUnit.Framework;

namespace Cocoon.Tests.Support;

/// <summary>Bytes that js-libp2p's packages made from fixed keys.</summary>
internal static class GoldenVectors
{
    /// <summary>The document, or the calling test is ignored by name.</summary>
    public static JsonElement Libp2p
    {
        get
        {
            string? folder = TestPaths.Vectors;
            string path = Path.Combine(folder ?? "", "libp2p", "golden.json");
            if (folder is null || !File.Exists(path))
            {
                Assert.Ignore("shared vectors libp2p/golden.json are absent");
            }

            return JsonDocument.Parse(File.ReadAllBytes(path)).RootElement;
        }
    }

    public static string Text(this JsonElement element, string name) => element.GetProperty(name).GetString()!;

    public static byte[] Hex(this JsonElement element, string name) => Convert.FromHexString(element.Text(name));
}
