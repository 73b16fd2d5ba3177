using Cocoon.Enclave.Hardening;

namespace Cocoon.Tests.Enclave.Hardening;

/// <summary>The kernel's reading of a filter (classic BPF over <c>struct seccomp_data</c>), so that the one for another architecture runs here too.</summary>
internal static class FilterMachine
{
    public const uint Allow = 0x7FFF0000, Kill = 0x80000000, Denied = 0x00050001, NotThere = 0x00050026;

    public static uint Run(SeccompFilter.Instruction[] program, uint architecture, int number, params ulong[] arguments)
    {
        byte[] data = new byte[64];
        BitConverter.TryWriteBytes(data, number);
        BitConverter.TryWriteBytes(data.AsSpan(4), architecture);
        for (int i = 0; i < arguments.Length; i++)
        {
            BitConverter.TryWriteBytes(data.AsSpan(16 + (8 * i)), arguments[i]);
        }

        uint accumulator = 0;
        for (int at = 0; ; at++)
        {
            SeccompFilter.Instruction one = program[at];
            switch (one.Code)
            {
                case 0x20:
                    accumulator = BitConverter.ToUInt32(data, checked((int)one.Operand));
                    break;
                case 0x54:
                    accumulator &= one.Operand;
                    break;
                case 0x15:
                    at += accumulator == one.Operand ? one.JumpTrue : one.JumpFalse;
                    break;
                case 0x35:
                    at += accumulator >= one.Operand ? one.JumpTrue : one.JumpFalse;
                    break;
                case 0x45:
                    at += (accumulator & one.Operand) != 0 ? one.JumpTrue : one.JumpFalse;
                    break;
                case 0x06:
                    return one.Operand;
                default:
                    throw new InvalidOperationException($"instruction {one.Code:x}");
            }
        }
    }
}
