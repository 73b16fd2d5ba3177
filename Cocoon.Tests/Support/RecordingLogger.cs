using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Cocoon.Tests.Support;

/// <summary>Keeps every entry of every level as its text, with the exception's when there is one.</summary>
internal sealed class RecordingLogger<T> : ILogger<T>
{
    public ConcurrentQueue<string> Entries { get; } = new();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Entries.Enqueue($"{eventId.Id} {formatter(state, exception)}{exception}");
}
