using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave.Inference.LlamaCpp.Interop;

/// <summary>Where llama.cpp's own messages go: warnings and errors only, and their text only while nothing is being served.</summary>
/// <remarks>
/// Once requests run, a message might quote grammar, token or prompt text, so only the C function that spoke is named.
/// Debug and information levels, which print token pieces, never pass.
/// </remarks>
internal static unsafe partial class LlamaLog
{
    private const int Warn = 3;
    private const int Error = 4;
    private const int Continuation = 5;

    private static readonly SearchValues<char> FunctionName = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789_");

    private static ILogger? _logger;
    private static int _serving;

    /// <summary>Call before any other native function: loading backends logs too.</summary>
    public static void Attach(ILogger logger)
    {
        Volatile.Write(ref _logger, logger);
        LlamaNative.llama_log_set(&Sink, null);
    }

    /// <summary>From here on until the matching <see cref="EndServing"/> message texts are withheld.</summary>
    public static void BeginServing() => Interlocked.Increment(ref _serving);

    public static void EndServing() => Interlocked.Decrement(ref _serving);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Sink(int level, byte* text, void* userData)
    {
        if (level is not (Warn or Error) || Volatile.Read(ref _logger) is not { } logger || text is null)
        {
            return; // continuations of a line are dropped with it: their level is not repeated
        }

        try
        {
            string message = Marshal.PtrToStringUTF8((nint)text) ?? "";
            string safe = Volatile.Read(ref _serving) > 0 ? Speaker(message) : message.TrimEnd();
            if (level == Error)
            {
                Log.NativeError(logger, safe);
            }
            else
            {
                Log.NativeWarning(logger, safe);
            }
        }
        catch (Exception)
        {
            // Nothing managed may unwind into C; a lost log line is the lesser harm.
        }
    }

    /// <summary>The C function's name at the start of a message, without what it says.</summary>
    internal static string Speaker(string message)
    {
        int colon = message.IndexOf(':', StringComparison.Ordinal);
        bool named = colon is > 0 and <= 48 && !message.AsSpan(0, colon).ContainsAnyExcept(FunctionName);
        return (named ? message[..colon] : "llama.cpp") + " (text withheld)";
    }

    private static partial class Log
    {
        [LoggerMessage(8101, LogLevel.Warning, "llama.cpp: {Message}")]
        public static partial void NativeWarning(ILogger logger, string message);

        [LoggerMessage(8102, LogLevel.Error, "llama.cpp: {Message}")]
        public static partial void NativeError(ILogger logger, string message);
    }
}
