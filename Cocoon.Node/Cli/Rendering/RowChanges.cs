using System.Globalization;
using System.Text.Json.Nodes;

namespace Cocoon.Node.Cli.Rendering;

/// <summary>Turns successive lists into change events: each row with <c>change</c> (<c>added</c>, <c>changed</c>, <c>removed</c>) and <c>at</c>.</summary>
/// <param name="chosen">Fields that are told, and whose change counts; <c>null</c> for all.</param>
internal sealed class RowChanges(IReadOnlyList<Column> columns, IReadOnlyList<Column>? chosen = null)
{
    private readonly Column[] _keys = [.. columns.Where(c => c.IsKey)];
    private readonly HashSet<string> _volatile = [.. columns.Where(c => c.IsVolatile).Select(c => c.Field)];
    private Dictionary<string, (string Settled, JsonObject Row)> _known = [];

    public IEnumerable<JsonObject> Next(IEnumerable<JsonObject> rows)
    {
        Dictionary<string, (string Settled, JsonObject Row)> now = [];
        foreach (JsonObject row in rows)
        {
            now[string.Join('\n', _keys.Select(k => k.Raw(row)))] = (Settled(row), row);
        }

        Dictionary<string, (string Settled, JsonObject Row)> before = _known;
        _known = now;
        foreach ((string key, (string settled, JsonObject row)) in now)
        {
            if (!before.TryGetValue(key, out (string Settled, JsonObject Row) known))
            {
                yield return Event("added", row);
            }
            else if (known.Settled != settled)
            {
                yield return Event("changed", row);
            }
        }

        foreach ((string key, (_, JsonObject row)) in before)
        {
            if (!now.ContainsKey(key))
            {
                yield return Event("removed", row);
            }
        }
    }

    private string Settled(JsonObject row) => string.Join('\n', Told(row).Where(f => !_volatile.Contains(f.Key)).Select(f => f.Value?.ToJsonString()));

    private IEnumerable<KeyValuePair<string, JsonNode?>> Told(JsonObject row) =>
        chosen is null ? row : chosen.Select(column => KeyValuePair.Create(column.Field, row[column.Field]));

    private JsonObject Event(string change, JsonObject row)
    {
        JsonObject item = new()
        {
            ["change"] = change,
            ["at"] = DateTimeOffset.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture),
        };
        foreach ((string name, JsonNode? value) in Told(row))
        {
            item[name] = value?.DeepClone();
        }

        return item;
    }
}
