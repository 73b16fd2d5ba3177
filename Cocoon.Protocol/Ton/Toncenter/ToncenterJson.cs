using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.Toncenter;

/// <summary>Typed access to toncenter's JSON. Every surprise is a <see cref="TonException"/> (Malformed).</summary>
internal static class ToncenterJson
{
    private const int MaxStackDepth = 64;

    /// <summary>Runs a parser, turning what the JSON library throws into protocol errors.</summary>
    public static T Read<T>(JsonElement element, Func<JsonElement, T> parse)
    {
        try
        {
            return parse(element);
        }
        catch (Exception fault) when (fault is InvalidOperationException or FormatException or KeyNotFoundException or OverflowException or ArgumentException)
        {
            throw new TonException(TonErrorCode.Malformed, $"the answer has an unexpected shape: {fault.Message}", fault);
        }
    }

    public static JsonElement Property(this JsonElement element, string name) => element.GetProperty(name);

    public static bool TryProperty(this JsonElement element, string name, out JsonElement value) => element.TryGetProperty(name, out value);

    public static string Text(this JsonElement element, string name) => element.GetProperty(name).GetString() ?? "";

    public static long Number(this JsonElement element, string name) => element.GetProperty(name).GetInt64();

    /// <summary>Nanotons: a decimal string, or a number where a server writes one.</summary>
    public static ulong Amount(this JsonElement element, string name)
    {
        JsonElement value = element.GetProperty(name);
        return value.ValueKind == JsonValueKind.Number
            ? value.GetUInt64()
            : ulong.Parse(value.GetString() ?? "", NumberStyles.None, CultureInfo.InvariantCulture);
    }

    public static Cell? OptionalCell(this JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.GetString() is { Length: > 0 } text
            ? BocReader.ReadSingle(Convert.FromBase64String(text))
            : null;

    public static TransactionId TransactionId(this JsonElement element)
    {
        ulong lt = element.Amount("lt");
        return lt == 0
            ? default
            : new TransactionId(lt, CellHash.TryParse(element.Text("hash"), out CellHash hash) ? hash : throw TonException.Malformed("transaction hash"));
    }

    public static IEnumerable<JsonElement> Items(this JsonElement element, int max)
    {
        int count = element.GetArrayLength();
        return count <= max ? element.EnumerateArray() : throw TonException.TooLarge($"list of {count} items");
    }

    public static JsonArray StackInput(StackValue value) => value switch
    {
        StackValue.Integer { Value: var number } => ["num", number.ToString(CultureInfo.InvariantCulture)],
        StackValue.CellValue { Cell: var cell } => ["tvm.Cell", Convert.ToBase64String(BocWriter.Write(cell))],
        StackValue.Slice { Cell: var cell } => ["tvm.Slice", Convert.ToBase64String(BocWriter.Write(cell))],
        StackValue.Builder { Cell: var cell } => ["tvm.Builder", Convert.ToBase64String(BocWriter.Write(cell))],
        _ => throw new ArgumentException("This API takes numbers, cells, slices and builders only.", nameof(value)),
    };

    /// <summary><c>["num", "0x2a"]</c>, <c>["cell", {bytes}]</c>, <c>["tuple", {elements}]</c>, <c>["list", …]</c>.</summary>
    public static StackValue StackOutput(JsonElement entry)
    {
        if (entry.GetArrayLength() != 2)
        {
            throw TonException.Malformed("stack entry that is not a pair");
        }

        JsonElement value = entry[1];
        return entry[0].GetString() switch
        {
            "num" => new StackValue.Integer(ParseNumber(value.GetString() ?? "")),
            "cell" => new StackValue.CellValue(RequiredCell(value)),
            "slice" => new StackValue.Slice(RequiredCell(value)),
            "builder" => new StackValue.Builder(RequiredCell(value)),
            "tuple" => Elements(value, 0),
            "list" => value.GetProperty("elements").GetArrayLength() == 0 ? new StackValue.Null() : Elements(value, 0),
            var other => throw TonException.Malformed($"stack entry of the unknown kind '{other}'"),
        };
    }

    private static StackValue.Tuple Elements(JsonElement container, int depth) =>
        depth > MaxStackDepth
            ? throw TonException.TooLarge("stack value nested too deep")
            : new StackValue.Tuple([.. container.GetProperty("elements").Items(1024).Select(element => Element(element, depth + 1))]);

    private static StackValue Element(JsonElement element, int depth) => element.GetProperty("@type").GetString() switch
    {
        "tvm.stackEntryNumber" => new StackValue.Integer(ParseNumber(element.GetProperty("number").GetProperty("number").GetString() ?? "")),
        "tvm.stackEntryCell" => new StackValue.CellValue(RequiredCell(element.GetProperty("cell"))),
        "tvm.stackEntrySlice" => new StackValue.Slice(RequiredCell(element.GetProperty("slice"))),
        "tvm.stackEntryTuple" => Elements(element.GetProperty("tuple"), depth),
        "tvm.stackEntryList" => element.GetProperty("list").GetProperty("elements").GetArrayLength() == 0
            ? new StackValue.Null()
            : Elements(element.GetProperty("list"), depth),
        var other => throw TonException.Malformed($"stack element of the unknown kind '{other}'"),
    };

    private static Cell RequiredCell(JsonElement holder) => holder.OptionalCell("bytes") ?? throw TonException.Malformed("cell without bytes");

    private static BigInteger ParseNumber(string text)
    {
        bool negative = text.StartsWith('-');
        string digits = negative ? text[1..] : text;
        if (digits.Length is 0 or > 80)
        {
            throw TonException.Malformed("number on the stack");
        }

        BigInteger value = digits.StartsWith("0x", StringComparison.Ordinal)
            ? BigInteger.Parse("0" + digits[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
            : BigInteger.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture);
        return negative ? -value : value;
    }
}
