using System.Runtime.InteropServices;

namespace Cocoon.Enclave.Attestation.Nvml;

/// <summary>The calls of NVIDIA's management library that give GPU evidence (nvml.h, "Confidential Computing").</summary>
internal static unsafe partial class NvmlLibrary
{
    public const int Success = 0;
    public const int NonceSize = 32;
    public const int MaxReport = 0x2000;
    public const int MaxChain = 0x1400;

    private const string Name = "libnvidia-ml.so.1";
    private const int MaxOtherChain = 0x1000;
    private const int MaxOtherReport = 0x1000;

    /// <summary>Whether the driver has these calls at all: those of before 2023 do not.</summary>
    public static bool HasConfidentialComputing
    {
        get
        {
            if (!NativeLibrary.TryLoad(Name, out nint handle))
            {
                return false;
            }

            bool has = NativeLibrary.TryGetExport(handle, nameof(nvmlSystemGetConfComputeState), out _);
            NativeLibrary.Free(handle);
            return has;
        }
    }

    [LibraryImport(Name)]
    public static partial int nvmlInit_v2();

    [LibraryImport(Name)]
    public static partial int nvmlShutdown();

    [LibraryImport(Name)]
    public static partial int nvmlDeviceGetCount_v2(uint* count);

    [LibraryImport(Name)]
    public static partial int nvmlDeviceGetHandleByIndex_v2(uint index, nint* device);

    [LibraryImport(Name)]
    public static partial int nvmlSystemGetConfComputeState(ComputeState* state);

    [LibraryImport(Name)]
    public static partial int nvmlDeviceGetConfComputeGpuAttestationReport(nint device, AttestationReport* report);

    [LibraryImport(Name)]
    public static partial int nvmlDeviceGetConfComputeGpuCertificate(nint device, Certificates* certificates);

    /// <summary>nvmlConfComputeSystemState_t.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct ComputeState
    {
        public uint Environment;
        public uint Feature;
        public uint DevToolsMode;
    }

    /// <summary>nvmlConfComputeGpuAttestationReport_t.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct AttestationReport
    {
        public uint IsCecAttestationReportPresent;
        public uint AttestationReportSize;
        public uint CecAttestationReportSize;
        public fixed byte Nonce[NonceSize];
        public fixed byte Report[MaxReport];
        public fixed byte CecReport[MaxOtherReport];
    }

    /// <summary>nvmlConfComputeGpuCertificate_t; the second chain is the attestation key's.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Certificates
    {
        public uint CertChainSize;
        public uint AttestationCertChainSize;
        public fixed byte CertChain[MaxOtherChain];
        public fixed byte AttestationCertChain[MaxChain];
    }
}
