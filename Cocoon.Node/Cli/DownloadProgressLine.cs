using System.Globalization;
using Cocoon.Node.Models;

namespace Cocoon.Node.Cli;

/// <summary>The progress of downloads: one line redrawn on a terminal, a line now and then elsewhere.</summary>
internal sealed class DownloadProgressLine(TextWriter output, TimeProvider time) : IAsyncDisposable
{
    private const int BarWidth = 30;

    private static readonly TimeSpan OnTerminal = TimeSpan.FromMilliseconds(250), Elsewhere = TimeSpan.FromSeconds(10);

    private readonly bool _isTerminal = !Console.IsErrorRedirected;
    private readonly Lock _lock = new();
    private string _name = "";
    private long _first;
    private long _started;
    private long _shown;
    private bool _isOpen;

    public void Report(DownloadProgress progress)
    {
        lock (_lock)
        {
            long now = time.GetTimestamp();
            if (progress.Name != _name)
            {
                Close();
                (_name, _first, _started, _shown) = (progress.Name, progress.Done, now, 0);
            }

            bool isDone = progress.Done >= progress.Total;
            if (!isDone && _shown != 0 && time.GetElapsedTime(_shown, now) < (_isTerminal ? OnTerminal : Elsewhere))
            {
                return;
            }

            _shown = now;
            double seconds = time.GetElapsedTime(_started, now).TotalSeconds, rate = seconds > 0.5 ? (progress.Done - _first) / seconds : 0;
            double share = progress.Total > 0 ? (double)progress.Done / progress.Total : 0;
            int filled = (int)(share * BarWidth);
            string line = string.Create(
                CultureInfo.InvariantCulture,
                $"{_name}  [{new string('#', filled)}{new string('.', BarWidth - filled)}] {share:0%}  {Sizes.Words(progress.Done)} of {Sizes.Words(progress.Total)}  {(rate > 0 ? Sizes.Words((long)rate) + "/s" : "")}");
            output.Write(_isTerminal ? "\r" + line.PadRight(100) : line + Environment.NewLine);
            _isOpen = _isTerminal;
        }
    }

    public ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            Close();
        }

        return ValueTask.CompletedTask;
    }

    private void Close()
    {
        if (_isOpen)
        {
            output.WriteLine();
            _isOpen = false;
        }
    }
}
