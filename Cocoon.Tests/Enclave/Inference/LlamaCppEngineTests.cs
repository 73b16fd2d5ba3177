using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference;

public sealed class LlamaCppEngineTests
{
    private LlamaCppEngine _engine = null!;

    [OneTimeSetUp]
    public async Task Load() => _engine = await TestEngine.LoadAsync();

    [OneTimeTearDown]
    public async Task Unload()
    {
        if (_engine is not null)
        {
            await _engine.DisposeAsync();
        }
    }

    [Test]
    public async Task Generate_ChatAtTemperatureZero_SaysTheSentenceAndStops()
    {
        Collected answer = await _engine.CollectAsync(TestEngine.Chat(new ChatMessage("user", "Hello")));
        Assert.That(answer.Text, Is.EqualTo(TestModel.Sentence));
        Assert.That(answer.Finished!.Reason, Is.EqualTo(FinishReason.Stop));
    }
}
