using System.Text.Json.Nodes;

namespace Cocoon.Node.Cli.Rendering;

/// <summary>One column of a list command. The field name is the same in JSON, csv, <c>--columns</c>, <c>--sort</c> and <c>--filter</c>.</summary>
/// <param name="Text">How people see the value; machine formats show the field as it is.</param>
/// <param name="IsHidden">Only with <c>--columns</c>, and in machine formats.</param>
internal sealed record Column(string Field, string Header, Func<JsonObject, string>? Text = null, bool IsRight = false, bool IsHidden = false)
{
    public string Render(JsonObject row) => Words.Printable(Text?.Invoke(row) ?? Raw(row) ?? "-");

    public string? Raw(JsonObject row) => row[Field] switch
    {
        null => null,
        JsonValue value when value.TryGetValue(out string? text) => text,
        JsonArray array => string.Join(';', array.Select(item => item?.ToString())),
        { } other => other.ToJsonString(),
    };
}
