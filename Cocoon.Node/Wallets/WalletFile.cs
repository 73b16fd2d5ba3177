using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Cocoon.Protocol.Cryptography;

namespace Cocoon.Node.Wallets;

/// <summary>The content of <c>wallet.json</c>: a mnemonic, encrypted under a passphrase or protected by the file's mode alone.</summary>
/// <remarks>Encrypted: AES-256-GCM, key by PBKDF2-HMAC-SHA512 over the passphrase's UTF-8 bytes; network and address are authenticated with it.</remarks>
internal sealed partial record WalletFile
{
    private const int CurrentVersion = 1;
    private const int Iterations = 600_000;
    private const int MaxIterations = 10_000_000;
    private const int SaltSize = 32;
    private const int NonceSize = 12;
    private const int TagSize = 16;

    public required int Version { get; init; }

    public required string Network { get; init; }

    public required string Address { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Whether the owner has seen the words and said so.</summary>
    public bool BackedUp { get; init; }

    public int? KdfIterations { get; init; }

    public byte[]? Salt { get; init; }

    public byte[]? Nonce { get; init; }

    /// <summary>Ciphertext ‖ tag when encrypted, else the plain UTF-8 words.</summary>
    public required byte[] Secret { get; init; }

    [JsonIgnore]
    public bool IsEncrypted => Salt is not null;

    public static WalletFile Seal(string network, string address, ReadOnlySpan<byte> secret, string? passphrase, DateTimeOffset now)
    {
        WalletFile file = new() { Version = CurrentVersion, Network = network, Address = address, CreatedAt = now, Secret = [] };
        if (string.IsNullOrEmpty(passphrase))
        {
            return file with { Secret = secret.ToArray() };
        }

        byte[] salt = RandomNumberGenerator.GetBytes(SaltSize), nonce = RandomNumberGenerator.GetBytes(NonceSize);
        byte[] sealedSecret = new byte[secret.Length + TagSize];
        file = file with { KdfIterations = Iterations, Salt = salt, Nonce = nonce };
        using AesGcm aead = file.Aead(passphrase);
        aead.Encrypt(nonce, secret, sealedSecret.AsSpan(0, secret.Length), sealedSecret.AsSpan(secret.Length), file.AssociatedData());
        return file with { Secret = sealedSecret };
    }

    /// <returns><c>null</c> for a wrong passphrase or a changed file.</returns>
    public SecretBytes? Open(string? passphrase)
    {
        if (!IsEncrypted)
        {
            return new SecretBytes(Secret);
        }

        if (string.IsNullOrEmpty(passphrase) || Nonce is not { Length: NonceSize } || Secret.Length < TagSize)
        {
            return null;
        }

        byte[] plain = GC.AllocateArray<byte>(Secret.Length - TagSize, pinned: true);
        try
        {
            using AesGcm aead = Aead(passphrase);
            aead.Decrypt(Nonce, Secret.AsSpan(0, plain.Length), Secret.AsSpan(plain.Length), plain, AssociatedData());
            return new SecretBytes(plain);
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, Json.Default.WalletFile);

    /// <returns><c>null</c> when this is no wallet file, or one of a later version.</returns>
    public static WalletFile? Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            WalletFile? file = JsonSerializer.Deserialize(json, Json.Default.WalletFile);
            bool valid = file is { Version: CurrentVersion }
                && (file.Salt is null ? file.KdfIterations is null : file.KdfIterations is > 0 and <= MaxIterations);
            return valid ? file : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Says where it belongs, never what it holds.</summary>
    public override string ToString() => $"wallet {Address} on {Network}";

    private AesGcm Aead(string passphrase)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(passphrase.Normalize(NormalizationForm.FormC));
        byte[] key = Rfc2898DeriveBytes.Pbkdf2(utf8, Salt!, KdfIterations!.Value, HashAlgorithmName.SHA512, 32);
        AesGcm aead = new(key, TagSize);
        CryptographicOperations.ZeroMemory(utf8);
        CryptographicOperations.ZeroMemory(key);
        return aead;
    }

    private byte[] AssociatedData() => Encoding.UTF8.GetBytes($"cocoon/wallet/v1\0{Network}\0{Address}");

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
    [JsonSerializable(typeof(WalletFile))]
    private sealed partial class Json : JsonSerializerContext;
}
