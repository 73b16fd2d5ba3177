using System.Reflection;
using Cocoon.Protocol.Cryptography.Hpke;
using NUnit.Framework;

namespace Cocoon.Tests.Architecture;

/// <summary>What the tests compose to switch the sealing off is not in the program, and nothing in the program names another suite than its own.</summary>
public sealed class SealingTests
{
    private static readonly string[] s_product = ["Cocoon.Protocol", "Cocoon.Enclave", "cocoon"];

    private static IEnumerable<Type> Product => s_product.SelectMany(name => Assembly.Load(name).GetTypes());

    [Test]
    public void Product_HasNoAeadButTheTwoOfRfc9180() =>
        Assert.That(Product.Where(t => t.IsSubclassOf(typeof(HpkeAead))), Is.EquivalentTo(new[] { typeof(ChaCha20Poly1305Aead), typeof(Aes256GcmAead) }));

    [Test]
    public void Product_HasNoSuiteOfAnotherMaking()
    {
        Assert.That(typeof(HpkeSuite).IsSealed);
        foreach (HpkeSuite suite in HpkeSuite.Accepted.Concat(HpkeSuite.Offered))
        {
            using HpkeAead aead = suite.CreateAead(new byte[HpkeAead.KeySize]);
            Assert.That(aead.GetType(), Is.EqualTo(suite.AeadId == HpkeAeadId.Aes256Gcm ? typeof(Aes256GcmAead) : typeof(ChaCha20Poly1305Aead)));
        }
    }

    [TestCase("RootCommandBuilder.Build(", "RootCommandBuilder.Build()")]
    [TestCase("EnclaveCommand.RunAsync(", ", HpkeSuite.Offered)")]
    public void Program_BuildsItsCommandsWithItsOwnSuites(string call, string asThis)
    {
        string node = Path.Combine(TestPaths.RepositoryRoot, "Cocoon.Node");
        IEnumerable<string> callers = Directory.EnumerateFiles(node, "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .SelectMany(File.ReadAllLines)
            .Where(line => line.Contains(call, StringComparison.Ordinal));
        Assert.That(callers, Is.Not.Empty.And.All.Contain(asThis));
    }
}
