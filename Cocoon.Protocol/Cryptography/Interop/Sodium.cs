using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Cocoon.Protocol.Cryptography.Interop;

/// <summary>The entry points of libsodium that are used. Names are libsodium's own.</summary>
internal static unsafe partial class Sodium
{
    private const string Library = "libsodium";

    private static readonly string[] Candidates =
        OperatingSystem.IsWindows() ? ["libsodium.dll", "sodium.dll"] :
        OperatingSystem.IsMacOS() ? ["libsodium.dylib", "/opt/homebrew/lib/libsodium.dylib", "/usr/local/lib/libsodium.dylib"] :
        ["libsodium.so.23", "libsodium.so.26", "libsodium.so"];

    private static readonly nint Handle = Load();

    public static bool IsAvailable => Handle != 0;

    [ModuleInitializer]
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Usage", "CA2255", Justification = "One resolver per assembly must exist before the first native call.")]
    internal static void RegisterResolver() =>
        NativeLibrary.SetDllImportResolver(typeof(Sodium).Assembly, static (name, _, _) =>
            name == Library ? Handle : name == LibCrypto.Library ? LibCrypto.Handle : 0);

    private static nint Load()
    {
        foreach (string candidate in Candidates)
        {
            if (NativeLibrary.TryLoad(candidate, out nint handle))
            {
                return handle;
            }
        }

        return 0;
    }

    [LibraryImport(Library)]
    internal static partial int sodium_init();

    [LibraryImport(Library)]
    internal static partial int crypto_sign_ed25519_seed_keypair(byte* publicKey, byte* secretKey, byte* seed);

    [LibraryImport(Library)]
    internal static partial int crypto_sign_ed25519_detached(byte* signature, ulong* signatureLength, byte* message, ulong length, byte* secretKey);

    [LibraryImport(Library)]
    internal static partial int crypto_sign_ed25519_verify_detached(byte* signature, byte* message, ulong length, byte* publicKey);

    [LibraryImport(Library)]
    internal static partial int crypto_core_ed25519_is_valid_point(byte* point);

    [LibraryImport(Library)]
    internal static partial int crypto_scalarmult_curve25519(byte* shared, byte* secret, byte* point);

    [LibraryImport(Library)]
    internal static partial int crypto_scalarmult_curve25519_base(byte* point, byte* secret);
}
