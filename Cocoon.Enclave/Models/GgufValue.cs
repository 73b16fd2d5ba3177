using System.Collections.Immutable;

namespace Cocoon.Enclave.Models;

internal enum GgufType : uint
{
    UInt8 = 0,
    Int8 = 1,
    UInt16 = 2,
    Int16 = 3,
    UInt32 = 4,
    Int32 = 5,
    Float32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    UInt64 = 10,
    Int64 = 11,
    Float64 = 12,
}

/// <summary>
/// One metadata value. Numbers are in <see cref="Integer"/> or <see cref="Number"/>; array elements are in <see cref="Strings"/>
/// when they are strings, else only counted: nothing here needs them.
/// </summary>
internal readonly record struct GgufValue(GgufType Type, long Integer, double Number, string? Text, GgufType ElementType, int Count, ImmutableArray<string> Strings);

/// <summary>One row of the tensor table. Offset is from the start of the data section.</summary>
internal readonly record struct GgufTensor(string Name, ImmutableArray<long> Dimensions, GgmlType Type, long Offset, long Size);
