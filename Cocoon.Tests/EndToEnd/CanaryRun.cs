using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Cocoon.Tests.Support;

namespace Cocoon.Tests.EndToEnd;

/// <summary>
/// A provider with a model that says one text of chance, a client whose only way to it passes the owner's hands, a question with another
/// text of chance in it, and a search for both wherever the provider's owner can look.
/// </summary>
internal sealed class CanaryRun : IAsyncDisposable
{
    private const string Digits = "abcdefghijklmnopqrstuvwxyz0123456789";

    private readonly HostTap _tap;
    private readonly CocoonNode _client;
    private readonly string _folder;

    private CanaryRun(string folder, CocoonNode provider, CocoonNode client, HostTap tap, string answer)
    {
        _folder = folder;
        _tap = tap;
        _client = client;
        Provider = provider;
        Answer = answer;
    }

    public CocoonNode Provider { get; }

    public string Question { get; } = RandomNumberGenerator.GetString(Digits, 36);

    /// <summary>What the model says; in this order the characters stand nowhere but in its weights.</summary>
    public string Answer { get; }

    /// <param name="command">The program that client and provider run.</param>
    /// <param name="user">Whose process the provider is.</param>
    public static async Task<CanaryRun> StartAsync(string name, IReadOnlyList<string> command, OrdinaryUser user, CancellationToken cancellationToken)
    {
        char[] answer = Digits.ToCharArray();
        RandomNumberGenerator.Shuffle<char>(answer);
        string folder = user.CreateDirectory("cocoon-"), model = Path.Combine(folder, "canary.gguf");
        await using (FileStream file = File.Create(model))
        {
            TestModel.Write(file, TestModelMode.Chain, TestModelSize.Tiny, TestModelWeights.F16, new string(answer));
        }

        CocoonNode provider = await SharedNetwork.Network.StartProviderAsync(
            name, 0.04m, 0.16m, cancellationToken, model, name, options: ["--verbose"], command: [.. user.Prefix, .. command], directory: Path.Combine(folder, "p"));
        HostTap tap = await HostTap.StartAsync(provider, cancellationToken);
        CocoonNode client = await SharedNetwork.Network.StartClientAsync(name + "-client", CocoonNetwork.Ton, cancellationToken, tap.Address, command: command);
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, provider);
        return new CanaryRun(folder, provider, client, tap, new string(answer));
    }

    /// <summary>Asks twice, once streamed and once in one piece, and searches in the middle and afterwards.</summary>
    public async Task<CanaryFindings> AskAndSearchAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<SearchPattern> question = Mark("question", Question), answer = Mark("answer", Answer);
        SearchPattern[] both = [.. question, .. answer];
        SearchResult before = ByteSearch.Memory(Provider.ProcessId, both);

        // The node is searched in the middle of an answer, standing still.
        SearchResult? during = null;
        ChatAnswer streamed = await Chat.StreamAsync(_client, Ask(Chat.Long(Provider.PeerId, Text, tokens: 400)), cancellationToken, _ =>
        {
            if (during is null)
            {
                Signals.Freeze(Provider.ProcessId);
                during = ByteSearch.Memory(Provider.ProcessId, both);
                Signals.Thaw(Provider.ProcessId);
            }

            return Task.CompletedTask;
        });

        // A whole answer in one piece: in this shape its tokens share a frame, so that their text would lie together if it leaked.
        JsonObject whole = Ask(Chat.Ask(Text, Provider.PeerId, "batch"));
        whole["stream"] = false;
        whole.Remove("stream_options");
        using HttpResponseMessage response = await Chat.PostAsync(_client, JsonContent.Create(whole), cancellationToken);
        string body = await response.Content.ReadAsStringAsync(cancellationToken);
        return new CanaryFindings(
            streamed.ErrorText,
            body,
            before,
            during!,
            ByteSearch.Memory(Provider.ProcessId, both),
            ByteSearch.Files(Provider.DataDirectory, both),
            ByteSearch.Files([Provider.LogPath, Provider.DataDirectory + ".out"], both),
            ByteSearch.Bytes(_tap.FromNode, "what the node sent", both),
            ByteSearch.Bytes(_tap.ToNode, "what the node was sent", both),
            ByteSearch.Memory(_client.ProcessId, both));
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await Provider.DisposeAsync();
        await _tap.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private string Text => $"My secret is {Question}.";

    private JsonObject Ask(JsonObject body)
    {
        body["model"] = Provider.Name;
        return body;
    }

    private static IReadOnlyList<SearchPattern> Mark(string what, string text) => [.. SearchPattern.FormsOf(text).Select(p => p with { Form = $"{what} as {p.Form}" })];
}

/// <param name="Error">Of the streamed answer; empty when there was none.</param>
/// <param name="Body">What the application got.</param>
/// <param name="Before">The provider node's memory before anything was asked.</param>
/// <param name="During">The same in the middle of an answer.</param>
/// <param name="Memory">The same after the answers.</param>
/// <param name="Files">The provider's data directory.</param>
/// <param name="Logs">What the provider wrote to stdout and stderr.</param>
/// <param name="Sent">What the provider sent to the client, within the transport's encryption.</param>
/// <param name="Received">What it was sent.</param>
/// <param name="Client">The client's memory, which holds both by right.</param>
internal sealed record CanaryFindings(
    string Error, string Body, SearchResult Before, SearchResult During, SearchResult Memory, SearchResult Files, SearchResult Logs, SearchResult Sent,
    SearchResult Received, SearchResult Client);
