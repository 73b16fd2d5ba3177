using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Cocoon.Protocol.Inference;

/// <summary>One weights file of a model: its exact size and SHA-256.</summary>
internal readonly record struct ModelFile(ulong Size, ImmutableArray<byte> Sha256)
{
    public bool Equals(ModelFile other) => Size == other.Size && Sha256.AsSpan().SequenceEqual(other.Sha256.AsSpan());

    public override int GetHashCode() => BinaryPrimitives.ReadInt32LittleEndian(Sha256.AsSpan());
}

/// <summary>What a model is, byte for byte: its files, the GGUF metadata that clients tokenize with, and the chat template in use.</summary>
/// <remarks>
/// Canonical encoding (all integers little-endian, no padding):
/// <code>
///  24  "cocoon/model-manifest/1\0"     ASCII
///   4  number of files                 1..1024, in split order
///      per file:  8  size, 32  SHA-256 of the whole file
///   8  metadata length                 first file's bytes [0, length): header, key-values, tensor table, without alignment padding
///  32  SHA-256 of those metadata bytes
///  32  SHA-256 of the chat template    UTF-8 text that is really rendered (an override counts); of the empty string when there is none
/// </code>
/// The model id is the SHA-256 of this encoding. There is exactly one encoding of a manifest; decoding refuses everything else.
/// </remarks>
internal sealed class ModelManifest : IEquatable<ModelManifest>
{
    public const int MaxFiles = 1024;
    public const ulong MaxMetadataLength = 32 << 20;

    private const int DigestLength = 32;

    private static ReadOnlySpan<byte> Magic => "cocoon/model-manifest/1\0"u8;

    private readonly byte[] _encoded;

    /// <exception cref="ArgumentException">A count, size or digest length outside the limits of the encoding.</exception>
    public ModelManifest(
        ImmutableArray<ModelFile> files,
        ulong metadataLength,
        ImmutableArray<byte> metadataSha256,
        ImmutableArray<byte> templateSha256)
    {
        if (files.IsDefaultOrEmpty || files.Length > MaxFiles || files.Any(f => f.Size == 0 || f.Sha256.Length != DigestLength))
        {
            throw new ArgumentException("1 to 1024 non-empty files with 32-byte digests", nameof(files));
        }

        if (metadataLength is 0 or > MaxMetadataLength || metadataLength > files[0].Size)
        {
            throw new ArgumentException("metadata length outside the first file or above 32 MiB", nameof(metadataLength));
        }

        if (metadataSha256.Length != DigestLength || templateSha256.Length != DigestLength)
        {
            throw new ArgumentException("digests have 32 bytes");
        }

        Files = files;
        MetadataLength = metadataLength;
        MetadataSha256 = metadataSha256;
        TemplateSha256 = templateSha256;
        _encoded = Encode();
        Id = new ModelId(SHA256.HashData(_encoded));
    }

    public ImmutableArray<ModelFile> Files { get; }

    /// <summary>Length of the GGUF metadata at the start of the first file.</summary>
    public ulong MetadataLength { get; }

    public ImmutableArray<byte> MetadataSha256 { get; }

    public ImmutableArray<byte> TemplateSha256 { get; }

    public ModelId Id { get; }

    public ulong TotalSize => Files.Aggregate(0UL, (sum, file) => checked(sum + file.Size));

    /// <summary>The canonical bytes whose SHA-256 is <see cref="Id"/>.</summary>
    public ReadOnlyMemory<byte> CanonicalBytes => _encoded;

    /// <summary>Reads canonical bytes; anything else, also a longer input, is <c>false</c>.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, out ModelManifest? manifest)
    {
        manifest = null;
        int head = Magic.Length + sizeof(uint);
        if (bytes.Length < head || !bytes.StartsWith(Magic))
        {
            return false;
        }

        uint count = BinaryPrimitives.ReadUInt32LittleEndian(bytes[Magic.Length..]);
        if (count is 0 or > MaxFiles || bytes.Length != EncodedLength((int)count))
        {
            return false;
        }

        ReadOnlySpan<byte> rest = bytes[head..];
        ImmutableArray<ModelFile>.Builder files = ImmutableArray.CreateBuilder<ModelFile>((int)count);
        ulong total = 0;
        for (uint i = 0; i < count; i++)
        {
            ulong size = BinaryPrimitives.ReadUInt64LittleEndian(rest);
            if (size == 0 || total > ulong.MaxValue - size)
            {
                return false;
            }

            total += size;
            files.Add(new ModelFile(size, [.. rest.Slice(sizeof(ulong), DigestLength)]));
            rest = rest[(sizeof(ulong) + DigestLength)..];
        }

        ulong metadataLength = BinaryPrimitives.ReadUInt64LittleEndian(rest);
        if (metadataLength is 0 or > MaxMetadataLength || metadataLength > files[0].Size)
        {
            return false;
        }

        rest = rest[sizeof(ulong)..];
        manifest = new ModelManifest(files.MoveToImmutable(), metadataLength, [.. rest[..DigestLength]], [.. rest[DigestLength..]]);
        return true;
    }

    public bool Equals(ModelManifest? other) => other is not null && Id == other.Id;

    public override bool Equals(object? obj) => Equals(obj as ModelManifest);

    public override int GetHashCode() => Id.GetHashCode();

    private static int EncodedLength(int files) =>
        Magic.Length + sizeof(uint) + (files * (sizeof(ulong) + DigestLength)) + sizeof(ulong) + (2 * DigestLength);

    private byte[] Encode()
    {
        byte[] bytes = new byte[EncodedLength(Files.Length)];
        Span<byte> rest = bytes;
        Magic.CopyTo(rest);
        rest = rest[Magic.Length..];
        BinaryPrimitives.WriteUInt32LittleEndian(rest, (uint)Files.Length);
        rest = rest[sizeof(uint)..];
        foreach (ModelFile file in Files)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(rest, file.Size);
            file.Sha256.AsSpan().CopyTo(rest[sizeof(ulong)..]);
            rest = rest[(sizeof(ulong) + DigestLength)..];
        }

        BinaryPrimitives.WriteUInt64LittleEndian(rest, MetadataLength);
        MetadataSha256.AsSpan().CopyTo(rest[sizeof(ulong)..]);
        TemplateSha256.AsSpan().CopyTo(rest[(sizeof(ulong) + DigestLength)..]);
        return bytes;
    }
}
