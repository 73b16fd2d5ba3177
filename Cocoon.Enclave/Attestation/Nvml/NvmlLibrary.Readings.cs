using System.Runtime.InteropServices;

namespace Cocoon.Enclave.Attestation.Nvml;

/// <summary>The calls that tell a GPU's state (nvml.h, "Device Queries").</summary>
internal static unsafe partial class NvmlLibrary
{
    public const int TemperatureOfGpu = 0;
    public const int MaxText = 96;
    public const int NotSupported = 3;
    public const int NoPermission = 4;

    [LibraryImport(Name)]
    public static partial int nvmlSystemGetDriverVersion(byte* version, uint length);

    [LibraryImport(Name)]
    public static partial int nvmlDeviceGetName(nint device, byte* name, uint length);

    [LibraryImport(Name)]
    public static partial int nvmlDeviceGetUUID(nint device, byte* uuid, uint length);

    [LibraryImport(Name)]
    public static partial int nvmlDeviceGetPciInfo_v3(nint device, PciInfo* pci);

    [LibraryImport(Name)]
    public static partial int nvmlDeviceGetMemoryInfo(nint device, MemoryInfo* memory);

    [LibraryImport(Name)]
    public static partial int nvmlDeviceGetUtilizationRates(nint device, Utilisation* rates);

    [LibraryImport(Name)]
    public static partial int nvmlDeviceGetTemperature(nint device, int sensor, uint* celsius);

    [LibraryImport(Name)]
    public static partial int nvmlDeviceGetPowerUsage(nint device, uint* milliwatts);

    [LibraryImport(Name)]
    public static partial int nvmlDeviceGetEnforcedPowerLimit(nint device, uint* milliwatts);

    [LibraryImport(Name)]
    public static partial int nvmlDeviceGetPowerManagementLimit(nint device, uint* milliwatts);

    [LibraryImport(Name)]
    public static partial int nvmlDeviceGetPowerManagementLimitConstraints(nint device, uint* least, uint* most);

    [LibraryImport(Name)]
    public static partial int nvmlDeviceSetPowerManagementLimit(nint device, uint milliwatts);

    [LibraryImport(Name)]
    public static partial int nvmlDeviceGetCudaComputeCapability(nint device, int* major, int* minor);

    /// <summary>Whether the library is on this machine at all.</summary>
    public static bool IsPresent
    {
        get
        {
            if (!NativeLibrary.TryLoad(Name, out nint handle))
            {
                return false;
            }

            NativeLibrary.Free(handle);
            return true;
        }
    }

    /// <summary>nvmlPciInfo_t.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PciInfo
    {
        public fixed byte BusIdLegacy[16];
        public uint Domain;
        public uint Bus;
        public uint Device;
        public uint PciDeviceId;
        public uint PciSubSystemId;
        public fixed byte BusId[32];
    }

    /// <summary>nvmlMemory_t, in bytes.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct MemoryInfo
    {
        public ulong Total;
        public ulong Free;
        public ulong Used;
    }

    /// <summary>nvmlUtilization_t, in percent of the last sample period.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Utilisation
    {
        public uint Gpu;
        public uint Memory;
    }
}
