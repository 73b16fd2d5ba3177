using System.Text.Json.Nodes;

namespace Cocoon.Node.Cli.Rendering;

/// <summary>One column of a list command. The field name is the same in JSON, csv, <c>--columns</c>, <c>--sort</c> and <c>--filter</c>.</summary>
/// <param name="Text">How people see the value; machine formats show the field as it is.</param>
/// <param name="IsHidden">Only with <c>--columns</c>, and in machine formats.</param>
internal sealed record Column(string Field, string Header, Func<JsonObject, string>? Text = null, bool IsRight = false, bool IsHidden = false)
{
    private const int MaxText = 48;

    /// <summary>Names the row: what <c>-q</c> prints (the first such column) and <c>--watch</c> follows (all of them).</summary>
    public bool IsKey { get; init; }

    /// <summary>A long id, which tables shorten unless told not to.</summary>
    public bool IsId { get; init; }

    /// <summary>Moves by itself: a change of it alone is no change of the row.</summary>
    public bool IsVolatile { get; init; }

    /// <summary>One line of printable text, whatever strangers put into the field.</summary>
    public string Render(JsonObject row, bool isWhole = false)
    {
        string text = Words.OneLine(IsId ? isWhole ? Raw(row) ?? "-" : Words.Short(row[Field]) : Text?.Invoke(row) ?? Raw(row) ?? "-");
        return isWhole || text.Length <= MaxText ? text : text[..(MaxText - 1)] + "…";
    }

    public string? Raw(JsonObject row) => row[Field] switch
    {
        null => null,
        JsonValue value when value.TryGetValue(out string? text) => text,
        JsonArray array => string.Join(';', array.Select(item => item?.ToString())),
        { } other => other.ToJsonString(),
    };
}
