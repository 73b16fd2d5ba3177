namespace Cocoon.Enclave.Inference.Output;

/// <summary>Chooses the reader of a section by the first character in it: one marker opens several notations.</summary>
/// <param name="json">For a section that begins with a brace or bracket.</param>
/// <param name="other">For every other beginning; <c>null</c>: then it is no call.</param>
internal sealed class AnyCallReader(Func<CallReader> json, Func<CallReader>? other) : CallReader
{
    private CallReader? _chosen;

    public override CallReading Read(string text, ref int at, ICallSink sink)
    {
        if (_chosen is null)
        {
            SkipSpace(text, ref at);
            if (at == text.Length)
            {
                return CallReading.More;
            }

            _chosen = text[at] is '{' or '[' ? json() : other?.Invoke();
            if (_chosen is null)
            {
                return CallReading.Failed;
            }
        }

        return _chosen.Read(text, ref at, sink);
    }

    public override bool Finish(string rest, ICallSink sink) => _chosen?.Finish(rest, sink) ?? false;
}
