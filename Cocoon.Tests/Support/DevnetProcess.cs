using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Toncenter;
using NUnit.Framework;

namespace Cocoon.Tests.Support;

/// <summary>A devnet of <c>scripts/devnet</c> as a child process, with its control calls. It ends when its stdin closes, so it cannot outlive the tests.</summary>
internal sealed class DevnetProcess : IAsyncDisposable
{
    private readonly Process? _process;
    private readonly HttpClient _http = new() { Timeout = Timeout.InfiniteTimeSpan };

    private DevnetProcess(Process? process, Uri url)
    {
        _process = process;
        Url = url;
        Options = new ToncenterOptions { Endpoints = [new ToncenterEndpoint(ApiUrl)] };
        Client = new ToncenterClient(_http, Options);
    }

    /// <summary>Base, without path.</summary>
    public Uri Url { get; }

    public Uri ApiUrl => new(Url, "/api/v2/");

    public ToncenterOptions Options { get; }

    public ToncenterClient Client { get; }

    /// <summary>Ignores the test when Node.js or the devnet's packages are missing.</summary>
    public static async Task<DevnetProcess> StartAsync(params string[] options)
    {
        string folder = Path.Combine(TestPaths.RepositoryRoot, "scripts", "devnet");
        if (!Directory.Exists(Path.Combine(folder, "node_modules")))
        {
            Assert.Ignore("scripts/devnet/node_modules is missing: run npm ci there");
        }

        ProcessStartInfo start = new("node") { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false, WorkingDirectory = folder };
        foreach (string argument in (string[])["start.mjs", "--port", "0", "--stdin-guard", .. options])
        {
            start.ArgumentList.Add(argument);
        }

        Process? process = null;
        try
        {
            process = Process.Start(start);
        }
        catch (Win32Exception)
        {
            Assert.Ignore("Node.js is missing");
        }

        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(60));
        string line = await process!.StandardOutput.ReadLineAsync(limit.Token) ?? throw new InvalidOperationException("The devnet ended before it was ready.");
        return new DevnetProcess(process, new Uri((string)JsonNode.Parse(line)!["url"]!));
    }

    /// <summary>A devnet that somebody else started and ends.</summary>
    public static DevnetProcess Attach(Uri url) => new(process: null, url);

    /// <summary>Creates nanotons; on return they have arrived.</summary>
    public Task FaucetAsync(TonAddress address, ulong nanotons) =>
        ControlAsync("faucet", new { address = address.ToString(), amount = nanotons.ToString(CultureInfo.InvariantCulture) });

    /// <summary>Moves the clock forward.</summary>
    public Task AdvanceAsync(uint seconds) => ControlAsync("time", new { advance = seconds });

    /// <summary>Stops the clock.</summary>
    public Task FreezeAsync() => ControlAsync("time", new { advance = 0, freeze = true });

    public Task MineAsync() => ControlAsync("mine", new { });

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        if (_process is null)
        {
            return;
        }

        _process.StandardInput.Close();
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(5));
        try
        {
            await _process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }

    private async Task ControlAsync(string call, object body)
    {
        using HttpResponseMessage response = await _http.PostAsJsonAsync(new Uri(Url, "/devnet/" + call), body);
        JsonElement answer = await response.Content.ReadFromJsonAsync<JsonElement>();
        if (!answer.GetProperty("ok").GetBoolean())
        {
            throw new InvalidOperationException($"devnet {call}: {answer}");
        }
    }
}
