using System.Text.Json;

namespace Cocoon.Enclave.Inference.Output;

/// <summary>Calls whose notation is read as a whole, because arguments become JSON only when all of them are there.</summary>
/// <param name="end">What ends one call.</param>
/// <param name="read">Name and arguments as JSON from the text before <paramref name="end"/>; <c>null</c> when it is no call.</param>
/// <param name="close">What may follow the last call of the section; a call that follows instead begins with <paramref name="open"/>.</param>
/// <param name="isOpen">The section's own marker opened the first call already.</param>
internal sealed class MarkedCallReader(
    string end, Func<string, (string Name, string Arguments)?> read, string open, string close, bool isOpen = true) : CallReader
{
    private const int MaxCall = 1 << 20;

    private bool _isBetween = !isOpen;
    private bool _hasCalls;

    public override CallReading Read(string text, ref int at, ICallSink sink)
    {
        while (true)
        {
            if (_isBetween)
            {
                SkipSpace(text, ref at);
                if (Matches(text, at, open) is not false and var again && open.Length > 0)
                {
                    if (again is null)
                    {
                        return CallReading.More;
                    }

                    at += open.Length;
                    _isBetween = false;
                    continue;
                }

                bool? closes = close.Length == 0 ? false : Matches(text, at, close);
                at += closes == true ? close.Length : 0;
                return closes is null || (at == text.Length && closes == false) ? CallReading.More : _hasCalls ? CallReading.Done : CallReading.Failed;
            }

            int found = text.IndexOf(end, at, StringComparison.Ordinal);
            if (found < 0)
            {
                return text.Length - at > MaxCall ? CallReading.Failed : CallReading.More;
            }

            if (!TryCall(text[at..found], sink))
            {
                return CallReading.Failed;
            }

            at = found + end.Length;
            _isBetween = true;
        }
    }

    public override bool Finish(string rest, ICallSink sink) => _isBetween ? _hasCalls : rest.Length <= MaxCall && TryCall(rest, sink);

    private bool TryCall(string text, ICallSink sink)
    {
        (string Name, string Arguments)? call;
        try
        {
            call = read(text);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return false;
        }

        if (call is not { Name.Length: > 0 and <= 256 } found)
        {
            return false;
        }

        _hasCalls = true;
        sink.Start(null, found.Name);
        sink.Arguments(found.Arguments);
        return true;
    }
}
