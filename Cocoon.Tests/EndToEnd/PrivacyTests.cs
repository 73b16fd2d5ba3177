using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>The promise that everything else is built around: what was asked and answered is nowhere on the provider's host outside of the enclave.</summary>
public sealed class PrivacyTests
{
    private static readonly string[] s_answerPieces = ["keeps every prompt private", "share their idle GPUs around"];

    private TcpForwarder _wire = null!;
    private CocoonNode _client = null!;

    private static CocoonNode Provider => SharedNetwork.Cheap;

    /// <summary>A client whose only way to the provider is a wire that records.</summary>
    [OneTimeSetUp]
    public async Task StartAsync()
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(2));
        string[] address = Provider.Address.Split('/');
        _wire = new TcpForwarder(new IPEndPoint(IPAddress.Loopback, int.Parse(address[4], System.Globalization.CultureInfo.InvariantCulture)), record: true);
        _client = await SharedNetwork.Network.StartClientAsync(
            "private", CocoonNetwork.Ton, limit.Token, $"/ip4/127.0.0.1/tcp/{_wire.Port}/p2p/{Provider.PeerId}");
        await CocoonNetwork.WaitForOffersAsync(_client, limit.Token, Provider);
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (_wire is not null)
        {
            await _wire.DisposeAsync();
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task Canary_InPromptAndAnswer_IsNowhereOnTheProviderNode(CancellationToken cancellationToken)
    {
        string canary = NewCanary();
        IReadOnlyList<SearchPattern> prompt = SearchPattern.FormsOf(canary);
        SearchPattern[] answer = [.. s_answerPieces.SelectMany(SearchPattern.FormsOf)];
        SearchPattern[] both = [.. prompt, .. answer];
        Assert.That(ByteSearch.Memory(Provider.ProcessId, answer).Found, Is.Empty, "the answer's words are not in the node before it was asked");

        // The node is searched in the middle of an answer, standing still.
        SearchResult? during = null;
        ChatAnswer streamed = await Chat.StreamAsync(_client, Chat.Long(Provider.PeerId, $"My secret is {canary}.", tokens: 400), cancellationToken, _ =>
        {
            if (during is null)
            {
                Signals.Freeze(Provider.ProcessId);
                during = ByteSearch.Memory(Provider.ProcessId, both);
                Signals.Thaw(Provider.ProcessId);
            }

            return Task.CompletedTask;
        });
        Assert.That(streamed.ErrorText, Is.Empty);

        // A whole answer in one piece: in this shape several tokens share a frame, so that their text would lie together if it leaked.
        JsonObject whole = Chat.Ask($"My secret is {canary}.", Provider.PeerId, "steady");
        whole["stream"] = false;
        whole.Remove("stream_options");
        using HttpResponseMessage response = await Chat.PostAsync(_client, JsonContent.Create(whole), cancellationToken);
        string body = await response.Content.ReadAsStringAsync(cancellationToken);
        Assert.That(body, Does.Contain(s_answerPieces[0]).And.Contain(s_answerPieces[1]));

        SearchResult node = ByteSearch.Memory(Provider.ProcessId, both);
        SearchResult files = ByteSearch.Files(Provider.DataDirectory, both);
        SearchResult logs = ByteSearch.Files([Provider.LogPath, Provider.DataDirectory + ".out"], both);
        SearchResult sent = ByteSearch.Bytes(_wire.FromTarget, "the node's connection", both);
        SearchResult received = ByteSearch.Bytes(_wire.ToTarget, "the client's connection", both);
        IReadOnlyCollection<string> client = ByteSearch.Memory(_client.ProcessId, prompt).Found, heard = ByteSearch.Memory(_client.ProcessId, answer).Found;
        await TestContext.Out.WriteLineAsync(
            $"searched: {during!.Searched >> 20} and {node.Searched >> 20} MiB of memory, {files.Searched >> 10} KiB of files, {logs.Searched} bytes of logs, "
            + $"{sent.Searched} bytes sent, {received.Searched} bytes received");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(during.Found, Is.Empty, "memory while answering");
            Assert.That(node.Found, Is.Empty, "memory afterwards");
            Assert.That(files.Found, Is.Empty, "data directory");
            Assert.That(logs.Found, Is.Empty, "logs");
            Assert.That(sent.Found, Is.Empty, "what it sent");
            Assert.That(received.Found, Is.Empty, "what it was sent");
            Assert.That(client, Is.Not.Empty, "the same search finds the prompt in the client");
            Assert.That(heard, Is.Not.Empty, "the same search finds the answer in the client");
            Assert.That(node.Searched, Is.GreaterThan(16 << 20), "the node's memory was really read");
            Assert.That(files.Searched, Is.GreaterThan(0));
            Assert.That(logs.Searched, Is.GreaterThan(0));
            Assert.That(sent.Searched, Is.GreaterThan(body.Length), "the answer went over the recorded wire");
            Assert.That(received.Searched, Is.GreaterThan(0));
        }
    }

    /// <summary>The search above can fail: it finds what the same node holds in the clear.</summary>
    [Test, CancelAfter(60_000)]
    public async Task Canary_InAClearField_IsFoundInTheProviderNode(CancellationToken cancellationToken)
    {
        string canary = NewCanary();
        IReadOnlyList<SearchPattern> patterns = SearchPattern.FormsOf(canary);
        SearchResult before = ByteSearch.Memory(Provider.ProcessId, patterns);
        for (int i = 0; i < 16; i++)
        {
            await Provider.GetAsync($"/control/offers?model={canary}", cancellationToken);
        }

        SearchResult after = ByteSearch.Memory(Provider.ProcessId, patterns);
        Assert.That(before.Found, Is.Empty);
        Assert.That(after.Found, Is.Not.Empty);
    }

    private static string NewCanary() => RandomNumberGenerator.GetString("abcdefghijkmnpqrstuvwxyz23456789", 32);

    [TestCase("utf-8"), TestCase("utf-16"), TestCase("hex"), TestCase("base64")]
    public void Search_TextInAnyForm_IsFound(string form)
    {
        string canary = NewCanary();
        string text = "before " + canary + " after";
        byte[] data = form switch
        {
            "utf-8" => System.Text.Encoding.UTF8.GetBytes(text),
            "utf-16" => System.Text.Encoding.Unicode.GetBytes(text),
            "hex" => System.Text.Encoding.ASCII.GetBytes(Convert.ToHexStringLower(System.Text.Encoding.UTF8.GetBytes(text))),
            _ => System.Text.Encoding.ASCII.GetBytes(Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(text))),
        };
        Assert.That(ByteSearch.Bytes(data, "here", SearchPattern.FormsOf(canary)).Found, Is.Not.Empty);
        Assert.That(ByteSearch.Bytes(data, "here", SearchPattern.FormsOf(NewCanary())).Found, Is.Empty);
    }
}
