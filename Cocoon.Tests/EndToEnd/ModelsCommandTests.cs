using System.Diagnostics;
using System.Text.Json.Nodes;
using Cocoon.Tests.Node.Models;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary><c>cocoon models</c> as a person uses it: real processes, a server on loopback.</summary>
[Platform("Linux")]
public sealed class ModelsCommandTests
{
    private TemporaryDirectory _folder = null!;
    private ModelServer _server = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _folder = new TemporaryDirectory();
        _server = await ModelServer.StartAsync();
        _server.Add("tiny-Q8_0.gguf", await File.ReadAllBytesAsync(TestModel.Ensure()));
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Test, CancelAfter(90_000)]
    public async Task Pull_List_Show_Verify_Remove(CancellationToken cancellationToken)
    {
        CommandResult pulled = await RunAsync(cancellationToken, "pull", "somebody/tiny-GGUF:q8_0");
        Assert.That(pulled.ExitCode, Is.Zero, pulled.Error);
        JsonObject listed = JsonNode.Parse((await RunAsync(cancellationToken, "list", "-o", "json")).Output)!.AsObject();
        JsonObject row = listed["models"]!.AsArray().Single()!.AsObject();
        JsonObject shown = JsonNode.Parse((await RunAsync(cancellationToken, "show", "tiny-q8_0", "-o", "json", "--slots", "2")).Output)!.AsObject();
        CommandResult intact = await RunAsync(cancellationToken, "verify");
        string blob = Directory.GetFiles(_folder.File("blobs")).Single();
        await using (FileStream damage = File.OpenWrite(blob))
        {
            damage.Seek(-1, SeekOrigin.End);
            damage.WriteByte(0x55);
        }

        CommandResult damaged = await RunAsync(cancellationToken, "verify", "tiny-q8_0", "-o", "json");
        CommandResult removed = await RunAsync(cancellationToken, "rm", "tiny-q8_0");
        using (Assert.EnterMultipleScope())
        {
            Assert.That((string)row["name"]!, Is.EqualTo("tiny-q8_0"));
            Assert.That((string)row["source"]!, Is.EqualTo("hf:somebody/tiny-GGUF@main:tiny-Q8_0.gguf"));
            Assert.That((string)shown["model_id"]!, Is.EqualTo((string)row["model_id"]!).And.Length.EqualTo(64));
            Assert.That((bool)shown["fit"]!["fits"]!, Is.True);
            Assert.That((int)shown["fit"]!["slots"]!, Is.EqualTo(2));
            Assert.That(intact.ExitCode, Is.Zero, intact.Error);
            Assert.That(damaged.ExitCode, Is.EqualTo(1));
            Assert.That((string)JsonNode.Parse(damaged.Output)!["models"]![0]!["damaged"]![0]!, Is.EqualTo("tiny-Q8_0.gguf"));
            Assert.That(removed.ExitCode, Is.Zero, removed.Error);
            Assert.That(Directory.GetFiles(_folder.File("blobs")), Is.Empty);
        }
    }

    [Test, CancelAfter(90_000)]
    public async Task Pull_HostileOrWrongFile_StoresNothing(CancellationToken cancellationToken)
    {
        byte[] cut = (await File.ReadAllBytesAsync(TestModel.Ensure(), cancellationToken))[..4000];
        _server.Add("cut.gguf", cut);
        _server.WrongDigests["tiny-Q8_0.gguf"] = new string('a', 64);
        CommandResult refused = await RunAsync(cancellationToken, "pull", "somebody/tiny-GGUF:cut.gguf");
        CommandResult wrong = await RunAsync(cancellationToken, "pull", "somebody/tiny-GGUF:tiny-Q8_0.gguf");
        CommandResult nobody = await RunAsync(cancellationToken, "pull", "nobody/nothing");
        CommandResult nonsense = await RunAsync(cancellationToken, "pull", "ftp://example.org/x");
        using (Assert.EnterMultipleScope())
        {
            Assert.That((refused.ExitCode, wrong.ExitCode, nobody.ExitCode, nonsense.ExitCode), Is.EqualTo((1, 1, 4, 2)));
            Assert.That(refused.Error, Does.Contain("cut off or damaged"));
            Assert.That(wrong.Error, Does.Contain("SHA-256"));
            Assert.That(Directory.GetFiles(_folder.File("models")), Is.Empty);
            Assert.That(Directory.GetFiles(_folder.File("blobs")), Is.Empty);
        }
    }

    private async Task<CommandResult> RunAsync(CancellationToken cancellationToken, params string[] arguments)
    {
        ProcessStartInfo start = CocoonProgram.Launch(["models", .. arguments]);
        start.Environment["COCOON_MODELS"] = _folder.Path;
        start.Environment["HF_ENDPOINT"] = _server.Url.ToString();
        return await CocoonProgram.RunAsync(start, cancellationToken);
    }
}
