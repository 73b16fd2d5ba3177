namespace Cocoon.Enclave.Inference.Output;

/// <summary>
/// OpenAI's harmony format (gpt-oss): messages with a header that names channel and recipient, <c>&lt;|channel|&gt;analysis&lt;|message|&gt;…&lt;|end|&gt;</c>.
/// </summary>
/// <remarks>Channel <c>analysis</c> is reasoning, a recipient <c>functions.NAME</c> makes a call, everything else is text.</remarks>
internal sealed class HarmonyOutputParser(bool hasTools) : OutputParser
{
    private const string Message = "<|message|>", Channel = "<|channel|>", Functions = "functions.", To = "to=";
    private const int MaxHeader = 1024;

    private static readonly string[] Ends = ["<|end|>", "<|call|>", "<|return|>", "<|start|>"];

    private string _pending = "";
    private bool _inBody;
    private int _call;
    private bool _hasArguments;
    private OutputPart _part;

    public override OutputPart Part => _part;

    public override void Push(string delta, List<OutputPiece> pieces)
    {
        _pending += delta;
        while (_inBody ? AdvanceBody(pieces) : AdvanceHeader(pieces))
        {
        }
    }

    public override void Finish(List<OutputPiece> pieces)
    {
        if (_inBody)
        {
            Emit(_pending, pieces);
            EndBody(pieces);
        }
        else if (!_pending.Contains(Channel, StringComparison.Ordinal))
        {
            Emit(_pending, pieces);
        }

        _pending = "";
    }

    private bool AdvanceHeader(List<OutputPiece> pieces)
    {
        int at = _pending.IndexOf(Message, StringComparison.Ordinal);
        if (!MayBeHeader(_pending) || at > MaxHeader || (at < 0 && _pending.Length > MaxHeader + Message.Length))
        {
            // The model does not keep to the format: what it says is text.
            (_inBody, _part) = (true, OutputPart.Text);
            return true;
        }

        if (at < 0)
        {
            return false;
        }

        BeginBody(_pending[..at], pieces);
        _pending = _pending[(at + Message.Length)..];
        return true;
    }

    private bool AdvanceBody(List<OutputPiece> pieces)
    {
        (int at, string end) = Ends.Select(e => (At: _pending.IndexOf(e, StringComparison.Ordinal), End: e)).Where(e => e.At >= 0).DefaultIfEmpty((At: -1, End: "")).MinBy(e => e.At);
        if (at < 0)
        {
            int keep = Ends.Max(e => Partial(_pending, e));
            Emit(_pending[..^keep], pieces);
            _pending = _pending[^keep..];
            return false;
        }

        Emit(_pending[..at], pieces);
        EndBody(pieces);
        _pending = _pending[(at + end.Length)..];
        (_inBody, _part) = (false, OutputPart.Text);
        return true;
    }

    private void BeginBody(string header, List<OutputPiece> pieces)
    {
        _inBody = true;
        int channel = header.LastIndexOf(Channel, StringComparison.Ordinal);
        string name = channel < 0 ? "final" : Word(header[(channel + Channel.Length)..]);
        int to = header.IndexOf(To + Functions, StringComparison.Ordinal);
        string function = to < 0 ? "" : Word(header[(to + To.Length + Functions.Length)..]);
        if (function.Length > 0 && hasTools)
        {
            (_part, _hasArguments) = (OutputPart.Call, false);
            _call = BeginCall(null, function, 0, pieces);
        }
        else
        {
            _part = name == "analysis" ? OutputPart.Reasoning : OutputPart.Text;
        }
    }

    private void EndBody(List<OutputPiece> pieces)
    {
        if (_part == OutputPart.Call && !_hasArguments)
        {
            pieces.Add(new OutputPiece.CallArguments(_call, "{}"));
        }
    }

    private void Emit(string text, List<OutputPiece> pieces)
    {
        if (text.Length == 0)
        {
            return;
        }

        _hasArguments |= _part == OutputPart.Call;
        pieces.Add(_part switch
        {
            OutputPart.Reasoning => new OutputPiece.Reasoning(text),
            OutputPart.Call => new OutputPiece.CallArguments(_call, text),
            _ => new OutputPiece.Text(text),
        });
    }

    /// <summary>A header begins with a marker, or with the role that the prompt did not name.</summary>
    private static bool MayBeHeader(string text)
    {
        string start = text.TrimStart();
        return start.StartsWith('<') || start.Length == 0 || "assistant".StartsWith(start, StringComparison.Ordinal) || start.StartsWith("assistant", StringComparison.Ordinal)
            || To.StartsWith(start, StringComparison.Ordinal) || start.StartsWith(To, StringComparison.Ordinal);
    }

    private static string Word(string text)
    {
        string start = text.TrimStart();
        int end = start.AsSpan().IndexOfAny(' ', '<', '\n');
        return end < 0 ? start : start[..end];
    }

    private static int Partial(string text, string marker)
    {
        for (int length = Math.Min(marker.Length - 1, text.Length); length > 0; length--)
        {
            if (text.AsSpan(text.Length - length).SequenceEqual(marker.AsSpan(0, length)))
            {
                return length;
            }
        }

        return 0;
    }
}
