using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>A host between client and enclave that changes what it passes on: the application hears an error that names it, and never another answer.</summary>
public sealed class HostileWireTests
{
    private HostTap _tap = null!;
    private CocoonNode _client = null!;

    /// <summary>A client whose only way to the provider passes the host's hands.</summary>
    [OneTimeSetUp]
    public async Task StartAsync()
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(2));
        _tap = await HostTap.StartAsync(SharedNetwork.Cheap.DataDirectory, SharedNetwork.Cheap.Address, limit.Token);
        _client = await SharedNetwork.Network.StartClientAsync("wired", CocoonNetwork.Ton, limit.Token, _tap.Address);
        await CocoonNetwork.WaitForOffersAsync(_client, limit.Token, SharedNetwork.Cheap);
    }

    [OneTimeTearDown]
    public async Task StopAsync() => await (_tap?.DisposeAsync() ?? ValueTask.CompletedTask);

    [TestCase("flip", "tampered")]
    [TestCase("drop", "dropped")]
    [TestCase("repeat", "repeated")]
    [TestCase("swap", "reordered")]
    [TestCase("end", "truncated")]
    [CancelAfter(60_000)]
    public async Task Frames_DisturbedByTheHost_EndTheApplicationsStreamByTheirWord(string how, string word, CancellationToken cancellationToken)
    {
        ChatAnswer whole = await Chat.StreamAsync(_client, Chat.Long(SharedNetwork.Cheap.PeerId, tokens: 60), cancellationToken);
        _tap.Disturbance = how;
        ChatAnswer cut = await Chat.StreamAsync(_client, Chat.Long(SharedNetwork.Cheap.PeerId, tokens: 60), cancellationToken);
        _tap.Disturbance = null;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(whole.ErrorText, Is.Empty);
            Assert.That((string?)cut.Error?["code"], Is.EqualTo(word), cut.ErrorText);
            Assert.That((string?)cut.Error?["message"], Does.Contain("cut or changed on its way").And.Contain("Do not use the part that came").And.Contain("At risk:"));
            Assert.That(cut.Text, Is.Not.Empty.And.Not.EqualTo(whole.Text));
            Assert.That(whole.Text, Does.StartWith(cut.Text), "what came before is the enclave's");
        }
    }
}
