using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;
using Cocoon.Protocol.Inference;
using Microsoft.Win32.SafeHandles;

namespace Cocoon.Enclave.Models;

/// <summary>Reads the head of a GGUF file: key-values and tensor table.</summary>
/// <remarks>
/// <code>
///  4 "GGUF"   4 version (2, 3)   8 tensor count   8 key-value count
///  per key-value:  string key, 4 type, value      (string: 8 length, bytes; array: 4 element type, 8 count, elements)
///  per tensor:     string name, 4 dimension count, 8 each, 4 ggml type, 8 offset
///  padding to general.alignment, then data
/// </code>
/// All sizes come from the file and are hostile until checked: nothing is allocated from a count before that many bytes are known
/// to be there. llama.cpp trusts much of this, so nothing that it would trip over may pass. A file is read through a window that is as
/// large as the longest string in it: heads of tens of megabytes are mostly vocabulary, and only what is asked for stays.
/// </remarks>
internal ref struct GgufReader
{
    public const int MaxKeyValues = 16_384;
    public const int MaxTensors = 65_536;
    public const int MaxKeyLength = 256;
    public const int MaxStringLength = 4 << 20;
    public const int MaxArrayLength = 4_000_000;
    public const int MaxTensorName = 63;
    private const int MaxDimensions = 4;
    private const int MaxShown = 96;
    private const int DefaultAlignment = 32;
    private const int WindowLength = 1 << 16;

    private readonly SafeFileHandle? _file;
    private readonly long _limit;
    private byte[] _window = [];
    private ReadOnlySpan<byte> _bytes;
    private long _bytesFrom;
    private int _at;

    private GgufReader(ReadOnlySpan<byte> bytes)
    {
        _bytes = bytes;
        _limit = bytes.Length;
    }

    private GgufReader(SafeFileHandle file, long limit)
    {
        _file = file;
        _limit = limit;
    }

    /// <summary>Bytes that may still be taken.</summary>
    private readonly long Left => _limit - _bytesFrom - _at;

    /// <summary>Reads the head from the first bytes of a file of <paramref name="fileSize"/> bytes.</summary>
    /// <exception cref="GgufException">Anything that is not a well-formed head.</exception>
    public static GgufHead Read(ReadOnlySpan<byte> bytes, long fileSize) => new GgufReader(bytes).Read(fileSize);

    /// <summary>Reads the head of a file: at most the metadata limit of a manifest, whatever the file says.</summary>
    /// <exception cref="GgufException">Anything that is not a well-formed head.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static GgufHead Read(SafeFileHandle file)
    {
        long size = RandomAccess.GetLength(file);
        return new GgufReader(file, Math.Min(size, (long)ModelManifest.MaxMetadataLength)).Read(size);
    }

    private GgufHead Read(long fileSize)
    {
        if (!Take(4).SequenceEqual("GGUF"u8))
        {
            throw new GgufException(GgufErrorCode.NotGguf, "it does not begin with the letters GGUF, so it is no model in that form");
        }

        uint version = UInt32();
        if (version is not (2 or 3))
        {
            throw new GgufException(GgufErrorCode.UnsupportedVersion, $"it is written in version {version} of GGUF, and only versions 2 and 3 are known (or it was made for a big-endian machine)");
        }

        int tensorCount = Count(UInt64(), MaxTensors, "the number of tensors");
        int keyCount = Count(UInt64(), MaxKeyValues, "the number of keys");
        Dictionary<string, GgufValue> values = new(Math.Min(keyCount, 256), StringComparer.Ordinal);
        for (int i = 0; i < keyCount; i++)
        {
            string key = String(MaxKeyLength, "a key");
            if (key.Length == 0 || !values.TryAdd(key, Value(key)))
            {
                throw new GgufException(GgufErrorCode.Duplicate, $"the key {Show(key)} is empty or there twice");
            }
        }

        int alignment = DefaultAlignment;
        if (values.TryGetValue("general.alignment", out GgufValue declared))
        {
            if (declared.Type != GgufType.UInt32 || declared.Integer is < 8 or > 65_536 || !long.IsPow2(declared.Integer))
            {
                throw new GgufException(GgufErrorCode.BadValue, "general.alignment, by which its weights are laid out, is not a power of two from 8 to 65536");
            }

            alignment = (int)declared.Integer;
        }

        ImmutableArray<GgufTensor> tensors = Tensors(tensorCount, alignment);
        long metadataLength = _bytesFrom + _at;
        long dataOffset = (metadataLength + alignment - 1) / alignment * alignment;
        long end = tensors.IsEmpty ? metadataLength : checked(dataOffset + tensors[^1].Offset + tensors[^1].Size);
        if (end > fileSize)
        {
            throw new GgufException(GgufErrorCode.Truncated, $"the file is cut off: its weights end at byte {end} and it has {fileSize} bytes; download it again");
        }

        return new GgufHead((int)version, values, tensors, metadataLength, dataOffset, fileSize);
    }

    private ImmutableArray<GgufTensor> Tensors(int count, int alignment)
    {
        List<GgufTensor> tensors = [];
        HashSet<string> names = new(StringComparer.Ordinal);
        long expected = 0;
        for (int i = 0; i < count; i++)
        {
            string name = String(MaxTensorName, "a tensor name");
            if (name.Length == 0 || !names.Add(name))
            {
                throw new GgufException(GgufErrorCode.Duplicate, $"the tensor name {Show(name)} is empty or there twice");
            }

            uint dimensionCount = UInt32();
            if (dimensionCount is 0 or > MaxDimensions)
            {
                throw new GgufException(GgufErrorCode.BadTensor, $"tensor {Show(name)} has {dimensionCount} dimensions, and 1 to {MaxDimensions} are possible");
            }

            ImmutableArray<long>.Builder dimensions = ImmutableArray.CreateBuilder<long>((int)dimensionCount);
            UInt128 product = 1;
            for (int d = 0; d < dimensionCount; d++)
            {
                ulong size = UInt64();
                product *= size;
                if (size is 0 or > int.MaxValue || product > (UInt128)1 << 42)
                {
                    throw new GgufException(GgufErrorCode.BadTensor, $"tensor {Show(name)} has a size that no model has");
                }

                dimensions.Add((long)size);
            }

            uint typeId = UInt32();
            GgmlType type = (typeId <= int.MaxValue ? GgmlType.Find((int)typeId) : null)
                ?? throw new GgufException(GgufErrorCode.BadTensor, $"tensor {Show(name)} is stored in a form (number {typeId}) that this engine does not know");
            if (dimensions[0] % type.BlockValues != 0)
            {
                throw new GgufException(GgufErrorCode.BadTensor, $"tensor {Show(name)} has rows of {dimensions[0]} values, which are not whole blocks of {type.Name}");
            }

            ulong offset = UInt64();
            long bytes = (long)(product / (UInt128)type.BlockValues * (UInt128)type.BlockBytes);

            // ggml wants tensors back to back in table order; accepting less would let two tensors share bytes.
            if (offset != (ulong)expected)
            {
                throw new GgufException(GgufErrorCode.BadTensor, $"tensor {Show(name)} begins at byte {offset} of the weights and not at {expected}, right after the one before it");
            }

            tensors.Add(new GgufTensor(name, dimensions.MoveToImmutable(), type, expected, bytes));
            expected = checked(expected + ((bytes + alignment - 1) / alignment * alignment));
        }

        return [.. tensors];
    }

    private GgufValue Value(string key)
    {
        GgufType type = Type(key);
        if (type != GgufType.Array)
        {
            return Scalar(type, key);
        }

        GgufType element = Type(key);
        if (element == GgufType.Array)
        {
            throw new GgufException(GgufErrorCode.BadValue, $"the key {Show(key)} holds a list of lists, which no model needs");
        }

        int count = Count(UInt64(), MaxArrayLength, key, "the length of ");
        if (element != GgufType.String)
        {
            for (long left = (long)count * Width(element); left > 0;)
            {
                ReadOnlySpan<byte> elements = Take(Math.Min(left, WindowLength));
                left -= elements.Length;
                if (element == GgufType.Bool && elements.ContainsAnyExceptInRange((byte)0, (byte)1))
                {
                    throw new GgufException(GgufErrorCode.BadValue, $"the key {Show(key)} has a truth value that is neither 0 nor 1");
                }
            }

            return new GgufValue(type, 0, 0, null, element, count, []);
        }

        if ((long)count * sizeof(ulong) > Left)
        {
            throw new GgufException(GgufErrorCode.Truncated, $"the key {Show(key)} announces more strings than the file has bytes left: it is cut off or damaged");
        }

        ImmutableArray<string>.Builder strings = ImmutableArray.CreateBuilder<string>(count);
        for (int i = 0; i < count; i++)
        {
            strings.Add(String(MaxStringLength, key));
        }

        return new GgufValue(type, 0, 0, null, element, count, strings.MoveToImmutable());
    }

    private GgufValue Scalar(GgufType type, string key)
    {
        if (type == GgufType.String)
        {
            return new GgufValue(type, 0, 0, String(MaxStringLength, key), default, 0, []);
        }

        ReadOnlySpan<byte> b = Take(Width(type));
        long integer = type switch
        {
            GgufType.UInt8 => b[0],
            GgufType.Int8 => (sbyte)b[0],
            GgufType.Bool => b[0] <= 1 ? b[0] : throw new GgufException(GgufErrorCode.BadValue, $"the key {Show(key)} is a truth value that is neither 0 nor 1"),
            GgufType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(b),
            GgufType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(b),
            GgufType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(b),
            GgufType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(b),
            GgufType.UInt64 => BinaryPrimitives.ReadUInt64LittleEndian(b) is <= long.MaxValue and var u
                ? (long)u : throw new GgufException(GgufErrorCode.BadValue, $"the number at the key {Show(key)} is too large"),
            GgufType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(b),
            _ => 0,
        };
        double number = type switch
        {
            GgufType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(b),
            GgufType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(b),
            _ => integer,
        };
        return new GgufValue(type, integer, number, null, default, 0, []);
    }

    private GgufType Type(string key) =>
        UInt32() is <= (uint)GgufType.Float64 and var type
            ? (GgufType)type : throw new GgufException(GgufErrorCode.BadValue, $"the key {Show(key)} has a type that GGUF does not have");

    private static int Width(GgufType type) => type switch
    {
        GgufType.UInt8 or GgufType.Int8 or GgufType.Bool => 1,
        GgufType.UInt16 or GgufType.Int16 => 2,
        GgufType.UInt32 or GgufType.Int32 or GgufType.Float32 => 4,
        _ => 8,
    };

    private string String(int limit, string what)
    {
        int length = Count(UInt64(), limit, what, "the length of ");
        return Encoding.UTF8.GetString(Take(length));
    }

    private static int Count(ulong value, int limit, string what, string ofWhat = "") =>
        value <= (ulong)limit ? (int)value : throw new GgufException(GgufErrorCode.LimitExceeded, $"{ofWhat}{Show(what)} is {value}, and at most {limit} is allowed");

    private uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)));

    private ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong)));

    private ReadOnlySpan<byte> Take(long count)
    {
        if (count > Left || (count > _bytes.Length - _at && !Refill((int)count)))
        {
            throw new GgufException(GgufErrorCode.Truncated, $"the description of the model does not end within the first {_limit} bytes: the file is cut off or damaged");
        }

        ReadOnlySpan<byte> taken = _bytes.Slice(_at, (int)count);
        _at += (int)count;
        return taken;
    }

    /// <summary>Moves the window so that it begins here and holds at least <paramref name="count"/> bytes; <c>false</c> when the file has become shorter.</summary>
    private bool Refill(int count)
    {
        if (_file is null)
        {
            return false;
        }

        ReadOnlySpan<byte> kept = _bytes[_at..];
        byte[] window = count <= _window.Length ? _window : new byte[Math.Max(count, WindowLength)];
        kept.CopyTo(window);
        int filled = kept.Length;
        _bytesFrom += _at;
        int most = (int)Math.Min(window.Length, _limit - _bytesFrom);
        while (filled < most && RandomAccess.Read(_file, window.AsSpan(filled, most - filled), _bytesFrom + filled) is > 0 and int read)
        {
            filled += read;
        }

        _window = window;
        _bytes = window.AsSpan(0, filled);
        _at = 0;
        return filled >= count;
    }

    /// <summary>File content for an error message: short and printable.</summary>
    private static string Show(string text) => string.Concat(text.Take(MaxShown).Select(c => c is >= ' ' and <= '~' ? c : '?'));
}
