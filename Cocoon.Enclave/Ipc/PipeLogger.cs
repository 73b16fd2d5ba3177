using System.Threading.Channels;
using Cocoon.Protocol.Enclaves.Proto;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave.Ipc;

/// <summary>Log entries for the host, over the pipe. What is logged in the enclave never holds user data.</summary>
/// <remarks>Bounded: under a flood the oldest entries are dropped. Exceptions appear by type only, their messages could quote a prompt.</remarks>
internal sealed class PipeLogger : ILogger
{
    private const int Capacity = 256;
    private const int MaxMessage = 1024;

    private readonly Channel<EnclaveFrame> _frames = Channel.CreateBounded<EnclaveFrame>(
        new BoundedChannelOptions(Capacity) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });

    public ChannelReader<EnclaveFrame> Frames => _frames.Reader;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
        {
            return;
        }

        string message = formatter(state, null);
        message = exception is null ? message : $"{message} ({exception.GetType().Name})";
        message = message.Length > MaxMessage ? message[..MaxMessage] : message;
        _frames.Writer.TryWrite(new EnclaveFrame { Log = new Log { Level = (uint)logLevel, EventId = (uint)eventId.Id, Message = message } });
    }
}

/// <summary>The same entries under a category, as engines want it.</summary>
internal sealed class PipeLogger<T>(ILogger inner) : ILogger<T>
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => inner.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        inner.Log(logLevel, eventId, state, exception, formatter);
}
