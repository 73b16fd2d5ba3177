using Cocoon.Node.Hosting;
using Cocoon.Node.Payments;
using Cocoon.Tests.Node.Storage;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Hosting;

public sealed class TonClientsTests
{
    [TestCase("https://toncenter.com/api/v2", "secret", "secret")]
    [TestCase("https://testnet.toncenter.com/api/v2", "secret", "secret")]
    [TestCase("https://example.org/api/v2", "secret", null)]
    [TestCase("https://nottoncenter.com/api/v2", "secret", null)]
    [TestCase("http://toncenter.com/api/v2", "secret", null)]
    [TestCase("http://127.0.0.1:1/api/v2", "127.0.0.1=mine", "mine")]
    [TestCase("https://example.org/api/v2", "toncenter.com=a, example.org=b=", "b=")]
    [TestCase("https://toncenter.com/api/v2", null, null)]
    public void KeyFor_AnEndpoint_IsItsOwnHostsKey(string url, string? keys, string? expected) =>
        Assert.That(TonClients.KeyFor(new Uri(url), keys), Is.EqualTo(expected));

    [Test]
    public void ReadConfig_OfNoConfiguration_SaysWhichFileAndWhy()
    {
        using TemporaryDirectory directory = new();
        Assert.That(() => TonClients.ReadConfig(directory.File("absent.json")), Throws.TypeOf<PaymentException>().With.Message.Contains("absent.json"));
        File.WriteAllText(directory.File("bad.json"), "{}");
        Assert.That(() => TonClients.ReadConfig(directory.File("bad.json")), Throws.TypeOf<PaymentException>().With.Message.Contains("global configuration"));
    }
}
