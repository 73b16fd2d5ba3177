using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Cocoon.Enclave.Models;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Models;

public sealed class GgufReaderTests
{
    private const int DataLimit = 1 << 30;

    private static byte[] Head(string path)
    {
        GgufHead head = GgufHead.ReadFile(path);
        using FileStream file = File.OpenRead(path);
        byte[] bytes = new byte[head.MetadataLength];
        file.ReadExactly(bytes);
        return bytes;
    }

    [Test]
    public void Read_GeneratedModel_HasItsValues()
    {
        string path = TestModel.Ensure();
        GgufHead head = GgufHead.ReadFile(path);
        head.RequireLoadable();
        Assert.That(head.Version, Is.EqualTo(3));
        Assert.That(head.Architecture, Is.EqualTo("llama"));
        Assert.That(head.Integer("llama.block_count"), Is.EqualTo(4));
        Assert.That(head.ChatTemplate, Is.EqualTo(TestModel.ChatTemplate));
        Assert.That(head.Tensors, Has.Length.EqualTo(3 + (4 * 9)));
        Assert.That(head.DataOffset % 32, Is.Zero);
        Assert.That(ModelDescription.Quantization(head), Is.EqualTo("F16"));
    }

    [Test]
    public async Task OpenAsync_GeneratedModel_ManifestIsThatOfTheBytes()
    {
        string path = TestModel.Ensure();
        ModelFiles files = await ModelFiles.OpenAsync(path, null, CancellationToken.None);
        byte[] all = await File.ReadAllBytesAsync(path);
        Assert.That(files.Manifest.Files.Single().Size, Is.EqualTo((ulong)all.Length));
        Assert.That(files.Manifest.Files[0].Sha256, Is.EqualTo(SHA256.HashData(all)));
        Assert.That(files.Manifest.MetadataSha256, Is.EqualTo(SHA256.HashData(all.AsSpan(0, (int)files.Manifest.MetadataLength))));
        Assert.That(files.Manifest.TemplateSha256, Is.EqualTo(SHA256.HashData(Encoding.UTF8.GetBytes(TestModel.ChatTemplate))));
        ModelFiles other = await ModelFiles.OpenAsync(path, "{{ messages }}", CancellationToken.None);
        Assert.That(other.Manifest.Id, Is.Not.EqualTo(files.Manifest.Id), "another template is another model");
    }

    [Test]
    public void Read_EveryTruncation_IsRefused()
    {
        byte[] head = Head(TestModel.Ensure());
        for (int length = 0; length < head.Length; length += length < 2000 ? 1 : 97)
        {
            int at = length;
            Assert.That(Assert.Throws<GgufException>(() => GgufReader.Read(head.AsSpan(0, at), DataLimit))!.Code, Is.Not.Zero);
        }
    }

    /// <summary>A head of many windows, with strings longer than one.</summary>
    [Test]
    public void ReadFile_HeadOfManyWindows_IsThatOfTheBytesAndSoIsEveryTruncation()
    {
        const int longest = 150_000;
        using GgufWriter writer = new();
        writer.Add("general.architecture", "llama");
        writer.Add("tokenizer.chat_template", string.Concat(Enumerable.Range(0, longest / 5).Select(i => i.ToString("00000", System.Globalization.CultureInfo.InvariantCulture))));
        writer.Add("tokenizer.ggml.tokens", [.. Enumerable.Range(0, 30_000).Select(i => $"token {i}")]);
        writer.Add("after.it", "the end");
        writer.Add("w", GgufWeights.F32, 32, 0, () => new byte[128]);
        using MemoryStream stream = new();
        writer.WriteTo(stream);
        byte[] all = stream.ToArray();
        using Node.Storage.TemporaryDirectory folder = new();
        string path = folder.File("long.gguf");
        GgufHead expected = GgufReader.Read(all, all.Length);
        foreach (int length in (int[])[all.Length, all.Length - 1, (int)expected.MetadataLength - 1, longest, 1 << 16, (1 << 16) + 7, 3, 0])
        {
            File.WriteAllBytes(path, all[..length]);
            if (length < all.Length)
            {
                Assert.That(Assert.Throws<GgufException>(() => GgufHead.ReadFile(path))!.Message, Is.EqualTo(Assert.Throws<GgufException>(() => GgufReader.Read(all.AsSpan(0, length), length))!.Message));
                continue;
            }

            GgufHead head = GgufHead.ReadFile(path);
            Assert.That(head.Values.Keys, Is.EqualTo(expected.Values.Keys));
            Assert.That(head.ChatTemplate, Is.EqualTo(expected.ChatTemplate).And.Length.EqualTo(longest));
            Assert.That(head.Values["tokenizer.ggml.tokens"].Strings, Is.EqualTo(expected.Values["tokenizer.ggml.tokens"].Strings));
            Assert.That(head.Text("after.it"), Is.EqualTo("the end"));
            Assert.That((head.MetadataLength, head.DataOffset, head.FileSize), Is.EqualTo((expected.MetadataLength, expected.DataOffset, expected.FileSize)));
            Assert.That(head.Tensors.Single().Name, Is.EqualTo("w"));
        }
    }

    [Test]
    public void Read_TensorsBeyondTheFile_AreRefused()
    {
        byte[] head = Head(TestModel.Ensure());
        Assert.That(Assert.Throws<GgufException>(() => GgufReader.Read(head, head.Length + 100))!.Code, Is.EqualTo(GgufErrorCode.Truncated));
    }

    [Test]
    public void Read_RandomDamage_GivesOnlyGgufExceptions()
    {
        byte[] head = Head(TestModel.Ensure());
        Random random = new(11);
        int accepted = 0;
        for (int i = 0; i < 10_000; i++)
        {
            byte[] damaged = [.. head];
            // Most of the file is vocabulary; half of the damage goes where counts, types and offsets are.
            int from = random.Next(2) == 0 ? 0 : damaged.Length - 3000;
            for (int n = random.Next(1, 4); n > 0; n--)
            {
                damaged[from + random.Next(Math.Min(3000, damaged.Length - from))] = (byte)random.Next(256);
            }

            try
            {
                GgufReader.Read(damaged.AsSpan(0, random.Next(4) == 0 ? random.Next(damaged.Length) : damaged.Length), DataLimit).RequireLoadable();
                accepted++;
            }
            catch (GgufException)
            {
            }
        }

        Assert.That(accepted, Is.InRange(1, 9_999), "harmless damage passes, harmful is refused");
    }

    [Test]
    public void Read_RandomBytes_GiveOnlyGgufExceptions()
    {
        Random random = new(12);
        for (int i = 0; i < 10_000; i++)
        {
            byte[] noise = new byte[random.Next(200)];
            random.NextBytes(noise);
            if (noise.Length > 24)
            {
                "GGUF"u8.CopyTo(noise);
                BinaryPrimitives.WriteUInt32LittleEndian(noise.AsSpan(4), 3);
                BinaryPrimitives.WriteUInt64LittleEndian(noise.AsSpan(8), (ulong)random.Next(3));
                BinaryPrimitives.WriteUInt64LittleEndian(noise.AsSpan(16), (ulong)random.Next(4));
            }

            try
            {
                GgufReader.Read(noise, DataLimit).RequireLoadable();
            }
            catch (GgufException)
            {
            }
        }
    }

    [Test]
    public void Read_HugeCounts_AreRefusedWithoutAllocating()
    {
        byte[] head = new byte[64];
        "GGUF"u8.CopyTo(head);
        BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(4), 3);
        foreach ((int at, ulong value) in (ReadOnlySpan<(int, ulong)>)[(8, ulong.MaxValue), (16, ulong.MaxValue), (8, GgufReader.MaxTensors + 1), (16, GgufReader.MaxKeyValues + 1)])
        {
            byte[] bad = [.. head];
            BinaryPrimitives.WriteUInt64LittleEndian(bad.AsSpan(at), value);
            Assert.That(Assert.Throws<GgufException>(() => GgufReader.Read(bad, DataLimit))!.Code, Is.EqualTo(GgufErrorCode.LimitExceeded));
        }
    }

    [TestCase("array of arrays", nameof(GgufErrorCode.BadValue))]
    [TestCase("array longer than the file", nameof(GgufErrorCode.Truncated))]
    [TestCase("strings longer than the file", nameof(GgufErrorCode.Truncated))]
    [TestCase("string longer than the limit", nameof(GgufErrorCode.LimitExceeded))]
    [TestCase("key twice", nameof(GgufErrorCode.Duplicate))]
    [TestCase("unknown type", nameof(GgufErrorCode.BadValue))]
    [TestCase("alignment of three", nameof(GgufErrorCode.BadValue))]
    [TestCase("boolean of two", nameof(GgufErrorCode.BadValue))]
    public void Read_HostileKeyValue_IsRefused(string what, string expected)
    {
        using MemoryStream stream = new();
        using BinaryWriter w = new(stream);
        w.Write("GGUF"u8);
        w.Write(3u);
        w.Write(0UL);
        w.Write(what == "key twice" ? 2UL : 1UL);
        void Key(string key)
        {
            w.Write((ulong)key.Length);
            w.Write(Encoding.UTF8.GetBytes(key));
        }

        Key(what == "alignment of three" ? "general.alignment" : "k");
        switch (what)
        {
            case "array of arrays":
                w.Write(9u);
                w.Write(9u);
                w.Write(1UL);
                break;
            case "array longer than the file":
                w.Write(9u);
                w.Write(4u);
                w.Write(1_000_000UL);
                break;
            case "strings longer than the file":
                w.Write(9u);
                w.Write(8u);
                w.Write(1_000_000UL);
                break;
            case "string longer than the limit":
                w.Write(8u);
                w.Write(ulong.MaxValue);
                break;
            case "key twice":
                w.Write(4u);
                w.Write(1u);
                Key("k");
                w.Write(4u);
                w.Write(1u);
                break;
            case "unknown type":
                w.Write(13u);
                break;
            case "alignment of three":
                w.Write(4u);
                w.Write(3u);
                break;
            default:
                w.Write(7u);
                w.Write((byte)2);
                break;
        }

        w.Write(new byte[64]);
        Assert.That(Assert.Throws<GgufException>(() => GgufReader.Read(stream.ToArray(), DataLimit))!.Code.ToString(), Is.EqualTo(expected));
    }

    [Test]
    public void RequireLoadable_ImpossibleVocabulary_IsRefused()
    {
        foreach ((string key, uint value) in (ReadOnlySpan<(string, uint)>)[("tokenizer.ggml.bos_token_id", 5), ("llama.block_count", 0), ("llama.embedding_length", 0), ("llama.context_length", 0)])
        {
            using GgufWriter writer = new();
            writer.Add("general.architecture", "llama");
            Dictionary<string, uint> numbers = new() { ["llama.block_count"] = 1, ["llama.embedding_length"] = 32, ["llama.context_length"] = 32, ["tokenizer.ggml.bos_token_id"] = 0 };
            numbers[key] = value;
            foreach ((string name, uint number) in numbers)
            {
                writer.Add(name, number);
            }

            writer.Add("tokenizer.ggml.tokens", (string[])["a", "b"]);
            writer.Add("w", GgufWeights.F32, 32, 0, () => new byte[128]);
            using MemoryStream stream = new();
            writer.WriteTo(stream);
            GgufHead head = GgufReader.Read(stream.ToArray(), stream.Length);
            Assert.That(Assert.Throws<GgufException>(head.RequireLoadable)!.Code, Is.EqualTo(GgufErrorCode.BadValue), key);
        }
    }

    [TestCase("b", false)]
    [TestCase("a", true, Description = "llama.cpp asserts, which ends the process")]
    [TestCase("a\0b", true, Description = "it reads up to the zero")]
    [TestCase("", false, Description = "it gives tokens without text a name of their own")]
    public void RequireLoadable_SameTokenTwice_IsRefused(string second, bool refused)
    {
        using GgufWriter writer = new();
        writer.Add("general.architecture", "llama");
        foreach (string key in (ReadOnlySpan<string>)["llama.block_count", "llama.embedding_length", "llama.context_length"])
        {
            writer.Add(key, 32u);
        }

        writer.Add("tokenizer.ggml.tokens", (string[])["a", "", second]);
        writer.Add("w", GgufWeights.F32, 32, 0, () => new byte[128]);
        using MemoryStream stream = new();
        writer.WriteTo(stream);
        GgufHead head = GgufReader.Read(stream.ToArray(), stream.Length);
        Assert.That(head.RequireLoadable, refused ? Throws.TypeOf<GgufException>().With.Property("Code").EqualTo(GgufErrorCode.Duplicate) : Throws.Nothing);
    }
}
