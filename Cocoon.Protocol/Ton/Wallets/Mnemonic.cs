using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Cocoon.Protocol.Cryptography;

namespace Cocoon.Protocol.Ton.Wallets;

/// <summary>A TON wallet's 24 words: the BIP-39 English list, but TON's own derivation (not BIP-39's).</summary>
/// <remarks>A secret. <see cref="ToString"/> says nothing; <see cref="RevealWords"/> is for the one screen that shows them.</remarks>
internal sealed class Mnemonic
{
    public const int WordCount = 24;

    private const int Iterations = 100_000;

    private static readonly string[] s_words = LoadWords();
    private static readonly FrozenSet<string> s_known = s_words.ToFrozenSet(StringComparer.Ordinal);

    private readonly string[] _words;

    private Mnemonic(string[] words) => _words = words;

    /// <summary>Fresh words from the system's random source; about 256 draws of 24 until one is a valid basic seed.</summary>
    public static Mnemonic Generate()
    {
        while (true)
        {
            string[] words = new string[WordCount];
            foreach (ref string word in words.AsSpan())
            {
                word = s_words[RandomNumberGenerator.GetInt32(s_words.Length)];
            }

            Mnemonic mnemonic = new(words);
            if (mnemonic.IsBasicSeed(null))
            {
                return mnemonic;
            }
        }
    }

    /// <summary>Words separated by white space, any case. <c>false</c> for a wrong count, an unknown word or a failed check.</summary>
    /// <param name="password">The check of words that were made with a password needs it.</param>
    public static bool TryParse(string? text, [NotNullWhen(true)] out Mnemonic? mnemonic, string? password = null)
    {
        mnemonic = null;
        string[] words = Split(text);
        if (words.Length != WordCount || !words.All(s_known.Contains))
        {
            return false;
        }

        Mnemonic candidate = new(words);
        bool valid = candidate.IsBasicSeed(null)
            || (!string.IsNullOrEmpty(password) && candidate.IsPasswordSeed() && candidate.IsBasicSeed(password));
        mnemonic = valid ? candidate : null;
        return valid;
    }

    /// <summary>The wallet key. A password protects words that were made with one.</summary>
    public Ed25519PrivateKey DeriveKey(string? password = null)
    {
        byte[] entropy = Entropy(password);
        Span<byte> seed = stackalloc byte[64];
        Rfc2898DeriveBytes.Pbkdf2(entropy, "TON default seed"u8, seed, Iterations, HashAlgorithmName.SHA512);
        Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(seed[..Ed25519PrivateKey.SeedSize]);
        CryptographicOperations.ZeroMemory(seed);
        CryptographicOperations.ZeroMemory(entropy);
        return key;
    }

    /// <summary>The words, to be shown once or stored encrypted; never logged.</summary>
    public string RevealWords() => string.Join(' ', _words);

    public override string ToString() => "Mnemonic";

    private static string[] Split(string? text) =>
        (text ?? "").ToLowerInvariant().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    private static string[] LoadWords()
    {
        using Stream stream = typeof(Mnemonic).Assembly.GetManifestResourceStream("bip39-english.txt")
            ?? throw new InvalidOperationException("The word list is missing from the assembly.");
        using StreamReader reader = new(stream, Encoding.UTF8);
        string[] words = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return words.Length == 2048 ? words : throw new InvalidOperationException("The word list is damaged.");
    }

    private bool IsBasicSeed(string? password) => Check(password, "TON seed version"u8, Iterations / 256) == 0;

    /// <summary>Marks words that are good only with their password.</summary>
    private bool IsPasswordSeed() => Check(null, "TON fast seed version"u8, 1) == 1;

    private byte Check(string? password, ReadOnlySpan<byte> salt, int iterations)
    {
        byte[] entropy = Entropy(password);
        Span<byte> check = stackalloc byte[64];
        Rfc2898DeriveBytes.Pbkdf2(entropy, salt, check, iterations, HashAlgorithmName.SHA512);
        CryptographicOperations.ZeroMemory(entropy);
        return check[0];
    }

    private byte[] Entropy(string? password)
    {
        byte[] key = Encoding.UTF8.GetBytes(RevealWords());
        byte[] entropy = HMACSHA512.HashData(key, Encoding.UTF8.GetBytes(password ?? ""));
        CryptographicOperations.ZeroMemory(key);
        return entropy;
    }
}
