namespace Cocoon.Enclave.Inference.Output;

internal enum CallReading
{
    /// <summary>All text so far is used up; the call goes on.</summary>
    More = 0,

    /// <summary>The section is over; what follows is something else.</summary>
    Done = 1,

    /// <summary>This is no call. Unless one was announced already, the text of the section is ordinary text.</summary>
    Failed = 2,
}

/// <summary>Where a reader announces the calls that it finds.</summary>
internal interface ICallSink
{
    void Start(string? id, string name);

    void Arguments(string delta);
}

/// <summary>Reads one section of tool calls in one notation, as text comes.</summary>
internal abstract class CallReader
{
    /// <summary>
    /// Reads from <paramref name="at"/>, which is moved past what was used. Text that is left must be offered again with what follows it.
    /// </summary>
    public abstract CallReading Read(string text, ref int at, ICallSink sink);

    /// <summary>No more text comes: whatever can still be made of <paramref name="rest"/>.</summary>
    /// <returns>Whether the section may be counted as read.</returns>
    public virtual bool Finish(string rest, ICallSink sink) => false;

    /// <summary>Skips white space.</summary>
    protected static void SkipSpace(string text, ref int at)
    {
        while (at < text.Length && char.IsWhiteSpace(text[at]))
        {
            at++;
        }
    }

    /// <summary>
    /// Whether <paramref name="marker"/> stands at <paramref name="at"/>: <c>null</c> when the text ends before that can be told.
    /// </summary>
    protected static bool? Matches(string text, int at, string marker)
    {
        int length = Math.Min(marker.Length, text.Length - at);
        return string.CompareOrdinal(text, at, marker, 0, length) != 0 ? false : length == marker.Length ? true : null;
    }
}
