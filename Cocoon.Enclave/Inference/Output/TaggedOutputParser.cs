using System.Text;

namespace Cocoon.Enclave.Inference.Output;

/// <summary>Output in which markers open and close reasoning and calls, and everything else is text.</summary>
internal sealed class TaggedOutputParser : OutputParser, ICallSink
{
    private readonly OutputSyntax _syntax;
    private readonly IReadOnlyList<ChatTool> _tools;
    private readonly string[] _markers;
    private readonly StringBuilder _section = new();
    private string _pending = "";
    private List<OutputPiece> _pieces = [];
    private CallReader? _reader;
    private int _call = -1;
    private bool _skipsSpace;
    private bool _mayBeBare;
    private bool _wasCall;
    private OutputPart _part;

    public TaggedOutputParser(OutputSyntax syntax, IReadOnlyList<ChatTool> tools)
    {
        _syntax = syntax;
        _tools = tools;
        _mayBeBare = syntax.HasBareCalls && tools.Count > 0;
        _markers =
        [
            .. syntax.Reasoning is { Open: var open } ? (string[])[open] : [],
            .. tools.Count > 0 ? syntax.Calls.Select(c => c.Open) : [],
            .. syntax.Ignored,
        ];
    }

    public override OutputPart Part => _part;

    public override void Continue() => (_skipsSpace, _mayBeBare) = (false, false);

    public override void Push(string delta, List<OutputPiece> pieces)
    {
        _pieces = pieces;
        _pending += delta;
        while (Advance())
        {
        }
    }

    public override void Finish(List<OutputPiece> pieces)
    {
        _pieces = pieces;
        if (_part == OutputPart.Call)
        {
            bool read = _reader!.Finish(_pending, this);
            if (!read && _call < 0)
            {
                Emit(_section + _pending);
            }

            _pending = "";
            return;
        }

        string rest = _part == OutputPart.Text && _wasCall ? _pending.TrimEnd() : _pending;
        _pending = "";
        Emit(rest);
    }

    void ICallSink.Start(string? id, string name) => _call = BeginCall(id, name, _syntax.IdLength, _pieces);

    void ICallSink.Arguments(string delta)
    {
        if (_pieces.Count > 0 && _pieces[^1] is OutputPiece.CallArguments last && last.Index == _call)
        {
            _pieces[^1] = last with { Delta = last.Delta + delta };
        }
        else
        {
            _pieces.Add(new OutputPiece.CallArguments(_call, delta));
        }
    }

    /// <returns>Whether there may be more to do without more text.</returns>
    private bool Advance() => _part switch
    {
        OutputPart.Reasoning => AdvanceReasoning(),
        OutputPart.Call => AdvanceCall(),
        _ => AdvanceText(),
    };

    private bool AdvanceText()
    {
        if (_skipsSpace || _mayBeBare)
        {
            string trimmed = _pending.TrimStart();
            if (trimmed.Length == 0)
            {
                return false;
            }

            if (_mayBeBare && trimmed[0] == '{')
            {
                _mayBeBare = false;
                _section.Clear().Append(_pending.AsSpan(0, _pending.Length - trimmed.Length));
                _pending = trimmed;
                Open(new JsonCallReader(separator: ";"));
                return true;
            }

            _pending = _skipsSpace ? trimmed : _pending;
            _skipsSpace = false;
        }

        (int at, string marker) = FirstMarker(_pending);
        if (at < 0)
        {
            int keep = HeldBack(_pending, _markers, keepsSpace: _markers.Length > 0);
            Emit(_pending[..^keep]);
            _pending = _pending[^keep..];
            return false;
        }

        string before = _pending[..at];
        _pending = _pending[(at + marker.Length)..];
        if (_syntax.Reasoning is { Open: var open } && marker == open)
        {
            Emit(before.TrimEnd());
            (_part, _skipsSpace) = (OutputPart.Reasoning, true);
        }
        else if (_syntax.Calls.FirstOrDefault(c => c.Open == marker) is { } section)
        {
            string text = before.TrimEnd();
            Emit(text);
            _section.Clear().Append(before.AsSpan(text.Length)).Append(marker);
            Open(section.Reader(_tools));
        }
        else
        {
            Emit(before);
        }

        return true;
    }

    private bool AdvanceReasoning()
    {
        if (_skipsSpace)
        {
            _pending = _pending.TrimStart();
            if (_pending.Length == 0)
            {
                return false;
            }

            _skipsSpace = false;
        }

        string close = _syntax.Reasoning!.Value.Close;
        int at = _pending.IndexOf(close, StringComparison.Ordinal);
        if (at < 0)
        {
            int keep = HeldBack(_pending, [close], keepsSpace: true);
            Emit(_pending[..^keep]);
            _pending = _pending[^keep..];
            return false;
        }

        Emit(_pending[..at].TrimEnd());
        _pending = _pending[(at + close.Length)..];
        (_part, _skipsSpace) = (OutputPart.Text, true);
        return true;
    }

    private bool AdvanceCall()
    {
        int at = 0;
        CallReading reading = _reader!.Read(_pending, ref at, this);
        _section.Append(_pending.AsSpan(0, at));
        _pending = _pending[at..];
        switch (reading)
        {
            case CallReading.More:
                return false;
            case CallReading.Done:
                (_part, _skipsSpace, _wasCall) = (OutputPart.Text, true, true);
                break;
            default:
                // What was announced stays announced; what was not is text, and its marker is not looked at again.
                _part = OutputPart.Text;
                Emit(_call < 0 ? _section.ToString() : "");
                break;
        }

        _reader = null;
        return true;
    }

    private void Open(CallReader reader)
    {
        _reader = reader;
        _call = -1;
        _part = OutputPart.Call;
    }

    private void Emit(string text)
    {
        if (text.Length == 0)
        {
            return;
        }

        _mayBeBare = false;
        _pieces.Add(_part == OutputPart.Reasoning ? new OutputPiece.Reasoning(text) : new OutputPiece.Text(text));
    }

    private (int At, string Marker) FirstMarker(string text)
    {
        (int At, string Marker) first = (-1, "");
        foreach (string marker in _markers)
        {
            int at = text.IndexOf(marker, StringComparison.Ordinal);
            if (at >= 0 && (first.At < 0 || at < first.At || (at == first.At && marker.Length > first.Marker.Length)))
            {
                first = (at, marker);
            }
        }

        return first;
    }

    /// <summary>Characters at the end that may yet turn out to be the beginning of a marker, with the white space before them.</summary>
    private static int HeldBack(string text, string[] markers, bool keepsSpace)
    {
        int most = 0;
        foreach (string marker in markers)
        {
            for (int length = Math.Min(marker.Length - 1, text.Length); length > most; length--)
            {
                if (text.AsSpan(text.Length - length).SequenceEqual(marker.AsSpan(0, length)))
                {
                    most = length;
                    break;
                }
            }
        }

        while (keepsSpace && most < text.Length && char.IsWhiteSpace(text[^(most + 1)]))
        {
            most++;
        }

        return most;
    }
}
