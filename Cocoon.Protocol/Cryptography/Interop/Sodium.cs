using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Cocoon.Protocol.Cryptography.Interop;

/// <summary>The entry points of libsodium that NSec does not show. The library is that of NSec's package; names are libsodium's own.</summary>
internal static unsafe partial class Sodium
{
    private const string Library = "libsodium";

    private static readonly nint Handle = NativeLibrary.TryLoad(Library, typeof(Sodium).Assembly, null, out nint handle) ? handle : 0;

    public static bool IsAvailable => Handle != 0;

    // Loaded with the assembly: an enclave that has given up its rights could not open the file any more.
    [ModuleInitializer]
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Usage", "CA2255", Justification = "One resolver per assembly must exist before the first native call.")]
    internal static void RegisterResolver() =>
        NativeLibrary.SetDllImportResolver(typeof(Sodium).Assembly, static (name, _, _) =>
            name == Library ? Handle : name == LibCrypto.Library ? LibCrypto.Handle : 0);

    [LibraryImport(Library)]
    internal static partial int sodium_init();

    [LibraryImport(Library)]
    internal static partial int crypto_core_ed25519_is_valid_point(byte* point);

    [LibraryImport(Library)]
    internal static partial int crypto_scalarmult_curve25519(byte* shared, byte* secret, byte* point);

    [LibraryImport(Library)]
    internal static partial int crypto_scalarmult_curve25519_base(byte* point, byte* secret);
}
