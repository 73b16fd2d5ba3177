using System.Text;
using System.Text.Json;

namespace Cocoon.Enclave.Inference.Output;

/// <summary>
/// Calls written as JSON: <c>{"name": …, "arguments": {…}}</c>, one object or an array of them, then an optional closing marker.
/// Arguments are passed on character by character once the name is known.
/// </summary>
/// <remarks>Names of the fields differ among families (<c>parameters</c>, <c>tool_name</c>); all are understood.</remarks>
internal sealed class JsonCallReader(string close = "", string separator = "") : CallReader
{
    private const int MaxName = 256;
    private const int MaxDepth = 128;

    private readonly StringBuilder _field = new();
    private readonly StringBuilder _held = new();
    private Stage _stage = Stage.Open;
    private string _key = "";
    private string? _name;
    private string? _id;
    private bool _isArray;
    private bool _hasCalls;
    private bool _isStarted;
    private bool _hasArguments;
    private bool _inString;
    private bool _escaped;
    private bool _isScalar;
    private bool _isPassedOn;
    private bool _isBare;
    private int _depth;

    private enum Stage
    {
        Open,
        Item,
        Key,
        KeyText,
        Colon,
        Value,
        InValue,
        AfterValue,
        AfterItem,
        Close,
    }

    /// <summary>For arguments alone, whose call is known already.</summary>
    public static JsonCallReader ForArguments(string? id, string name)
    {
        JsonCallReader reader = new() { _id = id, _name = name, _key = "arguments", _stage = Stage.Value, _isBare = true };
        return reader;
    }

    private bool IsArguments => _key is "arguments" or "parameters" or "args";

    public override CallReading Read(string text, ref int at, ICallSink sink)
    {
        while (true)
        {
            if (_stage is not (Stage.KeyText or Stage.InValue))
            {
                SkipSpace(text, ref at);
            }

            if (_stage == Stage.Close)
            {
                if (!TryNext(text, ref at))
                {
                    return ReadClose(text, ref at);
                }
            }
            else if (at == text.Length)
            {
                Flush(sink);
                return CallReading.More;
            }
            else if (!Step(text[at], ref at, sink))
            {
                return CallReading.Failed;
            }
        }
    }

    public override bool Finish(string rest, ICallSink sink)
    {
        // Cut off in the middle, as by a token limit, the arguments end where the text ended.
        Flush(sink);
        return (_isStarted && _stage is Stage.InValue or Stage.AfterValue) || _stage == Stage.Close || (_isArray && _hasCalls && _stage == Stage.AfterItem);
    }

    /// <returns><c>false</c> when this is no call.</returns>
    private bool Step(char c, ref int at, ICallSink sink)
    {
        switch (_stage)
        {
            case Stage.Open when c == '[':
                _isArray = true;
                _stage = Stage.Item;
                break;
            case Stage.Open or Stage.Item when c == '{':
                BeginItem();
                break;
            case Stage.Item when c == ']':
                _stage = Stage.Close;
                break;
            case Stage.Key when c == '"':
                _field.Clear();
                _stage = Stage.KeyText;
                break;
            case Stage.Key when c == '}':
                at++;
                return EndItem(sink);
            case Stage.KeyText when c == '"':
                _key = _field.ToString();
                _stage = Stage.Colon;
                break;
            case Stage.KeyText when _field.Length < MaxName:
                _field.Append(c);
                break;
            case Stage.Colon when c == ':':
                _stage = Stage.Value;
                break;
            case Stage.Value:
                BeginValue(c);
                return TakeValue(c, ref at, sink);
            case Stage.InValue:
                return TakeValue(c, ref at, sink);
            case Stage.AfterValue when c == ',':
                _stage = Stage.Key;
                break;
            case Stage.AfterValue when c == '}':
                at++;
                return EndItem(sink);
            case Stage.AfterItem when _isArray && c == ',':
                _stage = Stage.Item;
                break;
            case Stage.AfterItem when _isArray && c == ']':
                _stage = Stage.Close;
                break;
            default:
                return false;
        }

        at++;
        return true;
    }

    /// <summary>Another call may follow without an array around both.</summary>
    private bool TryNext(string text, ref int at)
    {
        if (separator.Length == 0 || at == text.Length || (text[at] != '{' && Matches(text, at, separator) != true))
        {
            return false;
        }

        at += text[at] == '{' ? 0 : separator.Length;
        _stage = Stage.Item;
        return true;
    }

    private CallReading ReadClose(string text, ref int at)
    {
        if (close.Length == 0)
        {
            return separator.Length > 0 && at == text.Length ? CallReading.More : CallReading.Done;
        }

        switch (Matches(text, at, close))
        {
            case null:
                return CallReading.More;
            case true:
                at += close.Length;
                return CallReading.Done;
            default:
                return CallReading.Done;
        }
    }

    private void BeginItem()
    {
        (_name, _id, _key) = (null, null, "");
        (_isStarted, _hasArguments) = (false, false);
        _held.Clear();
        _stage = Stage.Key;
    }

    private bool EndItem(ICallSink sink)
    {
        if (_name is null)
        {
            return false;
        }

        Start(sink);
        if (!_hasArguments)
        {
            sink.Arguments("{}");
        }

        _hasCalls = true;
        _stage = _isArray ? Stage.AfterItem : Stage.Close;
        return true;
    }

    private void BeginValue(char first)
    {
        (_depth, _inString, _escaped) = (0, false, false);
        _isScalar = first is not ('{' or '[' or '"');
        _isPassedOn = first == '{' && _name is not null && IsArguments;
        _field.Clear();
        _stage = Stage.InValue;
    }

    /// <summary>One character of a value: on to the application if it is of the arguments, else kept to be looked at.</summary>
    private bool TakeValue(char c, ref int at, ICallSink sink)
    {
        bool ends = false;
        if (_isScalar)
        {
            if (c is ',' or '}' or ']' || char.IsWhiteSpace(c))
            {
                // Belongs to what follows the value.
                return EndValue(sink);
            }
        }
        else if (_inString)
        {
            (_inString, _escaped) = (_escaped || c != '"', !_escaped && c == '\\');
            ends = !_inString && _depth == 0;
        }
        else
        {
            _inString = c == '"';
            _depth += c is '{' or '[' ? 1 : c is '}' or ']' ? -1 : 0;
            ends = _depth == 0 && !_inString;
            if (_depth is < 0 or > MaxDepth)
            {
                return false;
            }
        }

        _field.Append(c);
        at++;
        return !ends || EndValue(sink);
    }

    private bool EndValue(ICallSink sink)
    {
        Flush(sink);
        _stage = _isBare ? Stage.Close : Stage.AfterValue;
        if (_isPassedOn)
        {
            _isPassedOn = false;
            return true;
        }

        string value = _field.ToString();
        _field.Clear();
        switch (_key)
        {
            case "name" or "tool_name" or "function" when ReadText(value) is { Length: > 0 and <= MaxName } name:
                _name = name;
                if (_held.Length > 0)
                {
                    Start(sink);
                    sink.Arguments(_held.ToString());
                    (_hasArguments, _) = (true, _held.Clear());
                }

                break;
            case "id" or "tool_call_id" or "call_id":
                _id = ReadText(value);
                break;
            case "arguments" or "parameters" or "args" when value.Length > 0:
                return EndArguments(value, sink);
        }

        return true;
    }

    /// <summary>Arguments that were not passed on while they came: some models write them as a string of JSON, or before the name.</summary>
    private bool EndArguments(string value, ICallSink sink)
    {
        string? json = value[0] == '{' ? value : value is "null" ? "{}" : ReadText(value);
        if (json is null || !IsObject(json))
        {
            return false;
        }

        if (_name is null)
        {
            _held.Append(json);
            return true;
        }

        Start(sink);
        sink.Arguments(json);
        _hasArguments = true;
        return true;
    }

    private void Start(ICallSink sink)
    {
        if (!_isStarted)
        {
            _isStarted = true;
            sink.Start(_id, _name!);
        }
    }

    /// <summary>Passes on what has come of arguments that need no second look.</summary>
    private void Flush(ICallSink sink)
    {
        if (_isPassedOn && _field.Length > 0)
        {
            Start(sink);
            _hasArguments = true;
            sink.Arguments(_field.ToString());
            _field.Clear();
        }
    }

    private static string? ReadText(string json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.String ? document.RootElement.GetString() : null;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static bool IsObject(string json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
