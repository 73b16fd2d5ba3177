namespace Cocoon.Enclave.Inference.Output;

/// <summary>
/// Mistral since version 11: <c>NAME[CALL_ID]ID[ARGS]{…}</c>, the arguments as they come. Further calls begin with the section's marker again.
/// </summary>
internal sealed class NamedCallReader : CallReader
{
    private const string IdMark = "[CALL_ID]", ArgumentsMark = "[ARGS]";
    private const int MaxHead = 512;

    private JsonCallReader? _arguments;

    public override CallReading Read(string text, ref int at, ICallSink sink)
    {
        if (_arguments is null)
        {
            int brace = text.IndexOf('{', at);
            if (brace < 0 || brace - at > MaxHead)
            {
                return text.Length - at > MaxHead ? CallReading.Failed : CallReading.More;
            }

            string head = text[at..brace].Replace(ArgumentsMark, "", StringComparison.Ordinal);
            int id = head.IndexOf(IdMark, StringComparison.Ordinal);
            string name = (id < 0 ? head : head[..id]).Trim();
            if (name.Length == 0 || name.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)))
            {
                return CallReading.Failed;
            }

            at = brace;
            _arguments = JsonCallReader.ForArguments(id < 0 ? null : head[(id + IdMark.Length)..].Trim(), name);
        }

        return _arguments.Read(text, ref at, sink);
    }

    public override bool Finish(string rest, ICallSink sink) => _arguments?.Finish(rest, sink) ?? false;
}
