using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Cocoon.Node.Control;
using Cocoon.Tests.Support;

namespace Cocoon.Tests.EndToEnd;

/// <summary>
/// A running demo whose model says one text of chance. The demo asks with another text of chance in its question; then a client whose only
/// way to a provider passes the owner's hands asks with a third; and all three are searched for wherever the providers' owner can look.
/// </summary>
internal sealed class CanaryRun : IAsyncDisposable
{
    private const string Digits = "abcdefghijklmnopqrstuvwxyz0123456789";
    private const string ModelName = "canary";

    private readonly KeptDemo _demo;
    private readonly HostTap _tap;
    private readonly CocoonNode _client;
    private readonly string _folder;

    private CanaryRun(string folder, KeptDemo demo, CocoonNode client, HostTap tap, string demoQuestion, string answer)
    {
        _folder = folder;
        _demo = demo;
        _tap = tap;
        _client = client;
        DemoQuestion = demoQuestion;
        Answer = answer;
    }

    /// <summary>The provider that the tapped client asks.</summary>
    public DemoNode Provider => _demo.Providers[0];

    /// <summary>In the demo's own question.</summary>
    public string DemoQuestion { get; }

    /// <summary>In the tapped client's questions.</summary>
    public string Question { get; } = NewText();

    /// <summary>What the model says; in this order the characters stand nowhere but in its weights.</summary>
    public string Answer { get; }

    /// <summary>The demo's answer to its own question.</summary>
    public string DemoAnswer => (string)_demo.Result["answer"]!;

    /// <param name="user">Whose processes they are.</param>
    /// <param name="demoProgram">What the demo's nodes run; <c>null</c>: the program of the build.</param>
    /// <param name="command">The same as a command line for the tapped client.</param>
    public static async Task<CanaryRun> StartAsync(OrdinaryUser user, IReadOnlyList<string>? demoProgram, IReadOnlyList<string> command, CancellationToken cancellationToken)
    {
        char[] answer = Digits.ToCharArray();
        RandomNumberGenerator.Shuffle<char>(answer);
        string folder = user.CreateDirectory("cocoon-"), model = Path.Combine(folder, ModelName + ".gguf"), question = NewText();
        await using (FileStream file = File.Create(model))
        {
            TestModel.Write(file, TestModelMode.Chain, TestModelSize.Tiny, TestModelWeights.F16, new string(answer));
        }

        KeptDemo demo = await KeptDemo.StartAsync(user, demoProgram, model, TextWith(question), cancellationToken);
        HostTap? tap = null;
        CocoonNode? client = null;
        try
        {
            DemoNode provider = demo.Providers[0];
            tap = await HostTap.StartAsync(provider.DataDirectory, provider.Address, cancellationToken);
            client = await CocoonNode.StartAsync(
                "tapped",
                ["client", "--ton", demo.Devnet.ApiUrl.ToString(), "--bootstrap", tap.Address, "--lan", "--no-mdns", "--api", "127.0.0.1:0", "--allow-open", "--shape", "fast"],
                Path.Combine(folder, "c"), cancellationToken, command);
            await demo.Devnet.FaucetAsync(await CocoonNetwork.WalletAsync(client, cancellationToken), CocoonNetwork.Ton);
            await CocoonNetwork.WaitForOfferAsync(client, provider.PeerId, cancellationToken);
            return new CanaryRun(folder, demo, client, tap, question, new string(answer));
        }
        catch
        {
            await EndAsync(client, tap, demo, folder);
            throw;
        }
    }

    /// <summary>Asks twice, once streamed and once in one piece, and searches in the middle and afterwards.</summary>
    public async Task<CanaryFindings> AskAndSearchAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<SearchPattern> question = Mark("question", Question), demo = Mark("demo's question", DemoQuestion), answer = Mark("answer", Answer);
        SearchPattern[] all = [.. question, .. demo, .. answer];
        DemoNode[] nodes = [.. _demo.Providers, _demo.Bootstrap];
        SearchResult before = Memory(nodes, all);

        // The node is searched in the middle of an answer, standing still.
        SearchResult? during = null;
        ChatAnswer streamed = await Chat.StreamAsync(_client, Ask(Chat.Long(Provider.PeerId, TextWith(Question), tokens: 400)), cancellationToken, _ =>
        {
            if (during is null)
            {
                Signals.Freeze(Provider.ProcessId);
                during = ByteSearch.Memory(Provider.ProcessId, all);
                Signals.Thaw(Provider.ProcessId);
            }

            return Task.CompletedTask;
        });

        // A whole answer in one piece: in this shape its tokens share a frame, so that their text would lie together if it leaked.
        JsonObject whole = Ask(Chat.Ask(TextWith(Question), Provider.PeerId, "batch"));
        whole["stream"] = false;
        whole.Remove("stream_options");
        using HttpResponseMessage response = await Chat.PostAsync(_client, JsonContent.Create(whole), cancellationToken);
        string body = await response.Content.ReadAsStringAsync(cancellationToken);
        return new CanaryFindings(
            streamed.ErrorText,
            body,
            before,
            during!,
            Memory(nodes, all),
            ByteSearch.Files(nodes.SelectMany(node => Directory.EnumerateFiles(node.DataDirectory, "*", SearchOption.AllDirectories)).Concat(ChainFiles()), all),
            ByteSearch.Files(Directory.EnumerateFiles(_demo.Directory, "*.log").Concat(Directory.EnumerateFiles(_demo.Directory, "*.out")), all),
            ByteSearch.Bytes(_tap.FromNode, "what the node sent", all),
            ByteSearch.Bytes(_tap.ToNode, "what the node was sent", all),
            ByteSearch.Memory(_client.ProcessId, all));
    }

    /// <summary>Process id of the provider's enclave.</summary>
    public async Task<int> EnclaveIdAsync(CancellationToken cancellationToken)
    {
        using ControlClient control = new(Provider.DataDirectory);
        return (int)(await control.GetAsync("/control/status", cancellationToken))["engine"]!["process_id"]!;
    }

    public ValueTask DisposeAsync() => EndAsync(_client, _tap, _demo, _folder);

    private static async ValueTask EndAsync(CocoonNode? client, HostTap? tap, KeptDemo demo, string folder)
    {
        await (client?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (tap?.DisposeAsync() ?? ValueTask.CompletedTask);
        await demo.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private static SearchResult Memory(DemoNode[] nodes, SearchPattern[] patterns)
    {
        SearchResult[] results = [.. nodes.Select(node => ByteSearch.Memory(node.ProcessId, patterns))];
        return new SearchResult([.. results.SelectMany(r => r.Found)], results.Sum(r => r.Searched));
    }

    private IEnumerable<string> ChainFiles()
    {
        string chain = Path.Combine(_demo.Directory, "chain");
        return Directory.Exists(chain) ? Directory.EnumerateFiles(chain, "*", SearchOption.AllDirectories) : [];
    }

    private static string NewText() => RandomNumberGenerator.GetString(Digits, 36);

    private static string TextWith(string secret) => $"My secret is {secret}.";

    private static JsonObject Ask(JsonObject body)
    {
        body["model"] = ModelName;
        return body;
    }

    private static IReadOnlyList<SearchPattern> Mark(string what, string text) => [.. SearchPattern.FormsOf(text).Select(p => p with { Form = $"{what} as {p.Form}" })];
}

/// <param name="Error">Of the streamed answer; empty when there was none.</param>
/// <param name="Body">What the application got.</param>
/// <param name="Before">The memory of providers and bootstrap node after the demo's question and before the others.</param>
/// <param name="During">The asked provider's in the middle of an answer.</param>
/// <param name="Memory">That of providers and bootstrap node after the answers.</param>
/// <param name="Files">Their data directories, and the chain's.</param>
/// <param name="Logs">What all of the demo's processes wrote to stdout and stderr.</param>
/// <param name="Sent">What the provider sent to the tapped client, within the transport's encryption.</param>
/// <param name="Received">What it was sent.</param>
/// <param name="Client">The tapped client's memory, which holds its question and the answer by right.</param>
internal sealed record CanaryFindings(
    string Error, string Body, SearchResult Before, SearchResult During, SearchResult Memory, SearchResult Files, SearchResult Logs, SearchResult Sent,
    SearchResult Received, SearchResult Client);
