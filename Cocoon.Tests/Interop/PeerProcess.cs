using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;
using NUnit.Framework;

namespace Cocoon.Tests.Interop;

/// <summary>A libp2p peer in its own process, driven by JSON lines on stdin that it answers on stdout (scripts/interop/README.md).</summary>
internal abstract class PeerProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly IReadOnlyList<Multiaddr> _addresses;
    private readonly Task _reader;
    private readonly ConcurrentDictionary<int, TaskCompletionSource<JsonElement>> _calls = new();
    private readonly List<JsonElement> _events = [];
    private readonly List<(Func<JsonElement, bool> Match, TaskCompletionSource<JsonElement> Seen)> _waiters = [];
    private int _id;

    protected PeerProcess(Process process, string first)
    {
        JsonElement about = JsonSerializer.Deserialize<JsonElement>(first);
        _process = process;
        PeerId = PeerId.Parse(about.GetProperty("peer_id").GetString()!);
        _addresses = [.. about.GetProperty("addrs").EnumerateArray().Select(address => Multiaddr.Parse(address.GetString()!))];
        _reader = ReadAsync();
    }

    public PeerId PeerId { get; }

    /// <summary>With its <c>/p2p</c> suffix.</summary>
    public Multiaddr Address => _addresses.Count > 0 ? _addresses[0] : throw new InvalidOperationException("The peer has no address that others could dial.");

    /// <summary>Starts the program and reads its first line.</summary>
    protected static async Task<(Process Process, string First)> StartAsync(ProcessStartInfo start, CancellationToken cancellationToken)
    {
        start.RedirectStandardInput = true;
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        Process process = Process.Start(start)!;
        process.ErrorDataReceived += (_, line) => TestContext.Progress.WriteLine(line.Data);
        process.BeginErrorReadLine();
        string? first = await process.StandardOutput.ReadLineAsync(cancellationToken);
        Assert.That(first, Is.Not.Null, $"{start.FileName} did not start");
        return (process, first!);
    }

    /// <summary>Runs an operation; its answer.</summary>
    /// <exception cref="IOException">The peer answered with an error.</exception>
    public async Task<JsonElement> CallAsync(string operation, JsonObject fields, CancellationToken cancellationToken)
    {
        int id = Interlocked.Increment(ref _id);
        TaskCompletionSource<JsonElement> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _calls[id] = answer;
        fields["id"] = id;
        fields["op"] = operation;
        await _process.StandardInput.WriteLineAsync(fields.ToJsonString().AsMemory(), cancellationToken);
        await _process.StandardInput.FlushAsync(cancellationToken);
        JsonElement result = await answer.Task.WaitAsync(cancellationToken);
        return result.GetProperty("ok").GetBoolean()
            ? result
            : throw new IOException($"{operation}: {result.GetProperty("error").GetString()}");
    }

    /// <summary>The first event of this name that matches, past or future.</summary>
    public async Task<JsonElement> EventAsync(string name, Func<JsonElement, bool> match, CancellationToken cancellationToken)
    {
        TaskCompletionSource<JsonElement> seen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_events)
        {
            bool Matches(JsonElement line) => line.GetProperty("event").GetString() == name && match(line);
            JsonElement known = _events.Find(line => Matches(line));
            if (known.ValueKind != JsonValueKind.Undefined)
            {
                return known;
            }

            _waiters.Add((Matches, seen));
        }

        return await seen.Task.WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(5));
        try
        {
            await _process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill(entireProcessTree: true);
        }

        await _reader;
        _process.Dispose();
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } text)
        {
            JsonElement line = JsonSerializer.Deserialize<JsonElement>(text);
            if (line.TryGetProperty("event", out _))
            {
                lock (_events)
                {
                    _events.Add(line);
                    _waiters.FindAll(waiter => waiter.Match(line)).ForEach(waiter => waiter.Seen.TrySetResult(line));
                }
            }
            else if (line.GetProperty("id").ValueKind == JsonValueKind.Number && _calls.TryRemove(line.GetProperty("id").GetInt32(), out TaskCompletionSource<JsonElement>? call))
            {
                call.TrySetResult(line);
            }
        }

        foreach (TaskCompletionSource<JsonElement> call in _calls.Values)
        {
            call.TrySetException(new IOException("the peer ended"));
        }
    }
}
