using System.Text;
using Cocoon.Node.Wallets;
using Cocoon.Protocol.Cryptography;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Wallets;

internal sealed class WalletFileTests
{
    private static readonly byte[] Words = "alpha bravo charlie"u8.ToArray();

    [Test]
    public void Open_RightPassphrase_ReturnsTheWords()
    {
        WalletFile file = WalletFile.Seal("devnet", "0:00", Words, "pässword", DateTimeOffset.UnixEpoch);
        WalletFile again = WalletFile.Parse(file.ToJson())!;
        using SecretBytes secret = again.Open("pässword")!;
        Assert.That(secret.Span.ToArray(), Is.EqualTo(Words));
        Assert.That(Encoding.UTF8.GetString(file.ToJson()), Does.Not.Contain(Convert.ToBase64String(Words)));
    }

    [Test]
    public void Open_WrongPassphraseOrChangedFile_IsNull()
    {
        WalletFile file = WalletFile.Seal("devnet", "0:00", Words, "right", DateTimeOffset.UnixEpoch);
        Assert.Multiple(() =>
        {
            Assert.That(file.Open("wrong"), Is.Null);
            Assert.That(file.Open(null), Is.Null);
            Assert.That((file with { Address = "0:01" }).Open("right"), Is.Null);
            Assert.That((file with { Network = "mainnet" }).Open("right"), Is.Null);
        });
    }

    [Test]
    public void Parse_Garbage_IsNull()
    {
        byte[] valid = WalletFile.Seal("devnet", "0:00", Words, null, DateTimeOffset.UnixEpoch).ToJson();
        Random random = new(7);
        for (int i = 0; i < 10_000; i++)
        {
            byte[] mutated = valid[..random.Next(valid.Length)];
            if (mutated.Length > 0)
            {
                mutated[random.Next(mutated.Length)] ^= (byte)random.Next(1, 256);
            }

            Assert.DoesNotThrow(() => WalletFile.Parse(mutated));
        }
    }
}
