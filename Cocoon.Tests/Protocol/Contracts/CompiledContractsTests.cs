using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Ton.Cells;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Contracts;

/// <summary>The embedded code belongs to the sources beside it; that it compiles to this is checked where the compiler is.</summary>
public sealed class CompiledContractsTests
{
    private static readonly string Folder = Path.Combine(TestPaths.RepositoryRoot, "Cocoon.Protocol", "Contracts");

    private static JsonElement.ArrayEnumerator Entries() =>
        JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, "Compiled", "contracts.json"))).RootElement.GetProperty("contracts").EnumerateArray();

    [TestCase("Channel")]
    [TestCase("ProviderBond")]
    [TestCase("Registry")]
    public void Sources_AfterTheLastBuild_AreUnchanged(string name)
    {
        JsonElement entry = Entries().Single(candidate => candidate.GetProperty("name").GetString() == name);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string source in entry.GetProperty("sources").EnumerateArray().Select(element => element.GetString()!))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{source}\0{File.ReadAllText(Path.Combine(Folder, source))}\0"));
        }

        Assert.That(
            Convert.ToHexStringLower(hash.GetHashAndReset()), Is.EqualTo(entry.GetProperty("sourceHash").GetString()),
            "a source changed after the last ./scripts/contracts");
    }

    [Test]
    public void EmbeddedCode_ByItsHash_IsTheIndexedOne()
    {
        Dictionary<string, string?> index = Entries().ToDictionary(
            entry => entry.GetProperty("name").GetString()!, entry => entry.GetProperty("codeHash").GetString());

        Assert.That(Hash(ContractCode.Channel), Is.EqualTo(index["Channel"]));
        Assert.That(Hash(ContractCode.ProviderBond), Is.EqualTo(index["ProviderBond"]));
        Assert.That(Hash(ContractCode.Registry), Is.EqualTo(index["Registry"]));
    }

    private static string Hash(Cell code) => code.Hash.ToString();
}
