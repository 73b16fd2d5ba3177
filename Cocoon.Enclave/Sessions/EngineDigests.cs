using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Cocoon.Enclave.Inference;

namespace Cocoon.Enclave.Sessions;

/// <summary>Names the code that computes: <c>SHA-256("cocoon/engine/v1\0" ‖ enclave version ‖ NUL ‖ kind ‖ NUL ‖ version ‖ NUL ‖ digest of its libraries)</c>.</summary>
internal static class EngineDigests
{
    public static byte[] Digest(EngineInfo engine)
    {
        string enclave = typeof(EngineDigests).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";
        return SHA256.HashData(Encoding.UTF8.GetBytes($"cocoon/engine/v1\0{enclave}\0{engine.Kind}\0{engine.Version}\0{engine.Digest}"));
    }
}
