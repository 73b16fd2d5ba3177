using System.IO.Pipelines;
using System.Text;
using System.Text.Json;

namespace Cocoon.Node.EventStreams;

/// <summary>Writes <c>data:</c> events into a response (WHATWG HTML, server-sent events). One owner at a time.</summary>
internal sealed class ServerSentEvents(PipeWriter output, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan s_toldWithin = TimeSpan.FromSeconds(10);

    private readonly Utf8JsonWriter _json = new(output);

    /// <summary>Sets the headers of an event stream once; nothing is sent before the first flush.</summary>
    public static void Start(HttpResponse response)
    {
        if (response.HasStarted)
        {
            return;
        }

        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        response.Headers["X-Accel-Buffering"] = "no";
    }

    /// <param name="type">The event's name, where the API gives events one.</param>
    public void Write(Action<Utf8JsonWriter> content, string? type = null)
    {
        if (type is not null)
        {
            Raw(Encoding.ASCII.GetBytes($"event: {type}\n"));
        }

        Raw("data: "u8);
        _json.Reset(output);
        content(_json);
        _json.Flush();
        Raw("\n\n"u8);
    }

    /// <summary>A comment, which every client skips.</summary>
    public void WritePing() => Raw(": ping\n\n"u8);

    public void WriteDone() => Raw("data: [DONE]\n\n"u8);

    /// <exception cref="OperationCanceledException">The client is gone.</exception>
    /// <exception cref="IOException">As before, and the request was not told.</exception>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        FlushResult result = await output.FlushAsync(cancellationToken);
        if (result.IsCompleted)
        {
            // What is written to a lost connection is thrown away at once, and the request hears of the loss only when the pool has a
            // thread for it: until then everything would be made for nobody, as fast as it can be.
            await Task.Delay(s_toldWithin, time, cancellationToken);
            throw new IOException("The client is gone.");
        }
    }

    public void Dispose() => _json.Dispose();

    private void Raw(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(output.GetSpan(bytes.Length));
        output.Advance(bytes.Length);
    }
}
