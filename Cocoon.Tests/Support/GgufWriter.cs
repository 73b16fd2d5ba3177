using System.Buffers.Binary;
using System.Text;
using Cocoon.Enclave.Models;

namespace Cocoon.Tests.Support;

internal enum GgufWeights
{
    F32 = 0,
    F16 = 1,
    Q4 = 2,
    Q8 = 8,
}

/// <summary>Writes GGUF version 3.</summary>
internal sealed class GgufWriter : IDisposable
{
    private const int Alignment = 32;

    private readonly MemoryStream _values = new();
    private readonly List<(string Name, GgufWeights Type, int Columns, int Rows, Func<byte[]> Data)> _tensors = [];
    private ulong _valueCount;

    public void Add(string key, string value) => Value(key, 8, w => Text(w, value));

    public void Add(string key, uint value) => Value(key, 4, w => w.Write(value));

    public void Add(string key, float value) => Value(key, 6, w => w.Write(value));

    public void Add(string key, bool value) => Value(key, 7, w => w.Write(value));

    public void Add(string key, IReadOnlyList<string> values) => Value(key, 9, w =>
    {
        w.Write(8u);
        w.Write((ulong)values.Count);
        foreach (string value in values)
        {
            Text(w, value);
        }
    });

    public void Add(string key, IReadOnlyList<int> values) => Value(key, 9, w =>
    {
        w.Write(5u);
        w.Write((ulong)values.Count);
        foreach (int value in values)
        {
            w.Write(value);
        }
    });

    /// <summary>Rows 0: a vector.</summary>
    public void Add(string name, GgufWeights type, int columns, int rows, Func<byte[]> data) => _tensors.Add((name, type, columns, rows, data));

    public void Dispose() => _values.Dispose();

    public void WriteTo(Stream target)
    {
        BinaryWriter writer = new(target, Encoding.UTF8, leaveOpen: true);
        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write((ulong)_tensors.Count);
        writer.Write(_valueCount);
        writer.Write(_values.ToArray());
        long offset = 0;
        long written = 24 + _values.Length;
        foreach ((string name, GgufWeights type, int columns, int rows, _) in _tensors)
        {
            Text(writer, name);
            writer.Write(rows == 0 ? 1u : 2u);
            writer.Write((ulong)columns);
            if (rows != 0)
            {
                writer.Write((ulong)rows);
            }

            writer.Write((uint)type);
            writer.Write((ulong)offset);
            written += 8 + Encoding.UTF8.GetByteCount(name) + 4 + (rows == 0 ? 8 : 16) + 12;
            offset += Padded(ByteSize(type, (long)columns * Math.Max(1, rows)));
        }

        writer.Write(new byte[Padded(written) - written]);
        foreach ((string name, GgufWeights type, int columns, int rows, Func<byte[]> data) in _tensors)
        {
            byte[] bytes = data();
            if (bytes.LongLength != ByteSize(type, (long)columns * Math.Max(1, rows)))
            {
                throw new InvalidOperationException($"{name} has {bytes.LongLength} bytes");
            }

            writer.Write(bytes);
            writer.Write(new byte[Padded(bytes.LongLength) - bytes.LongLength]);
        }

        writer.Flush();
    }

    /// <summary>The file with another text under a key that it has.</summary>
    public static byte[] WithText(byte[] model, string key, string text)
    {
        GgufHead head = GgufReader.Read(model, model.Length);
        byte[] name = [.. BitConverter.GetBytes((ulong)key.Length), .. Encoding.UTF8.GetBytes(key), .. BitConverter.GetBytes(8u)];
        int at = model.AsSpan().IndexOf(name) + name.Length;
        int old = (int)BinaryPrimitives.ReadUInt64LittleEndian(model.AsSpan(at));
        byte[] value = Encoding.UTF8.GetBytes(text);
        byte[] metadata = [.. model[..at], .. BitConverter.GetBytes((ulong)value.Length), .. value, .. model[(at + sizeof(ulong) + old)..(int)head.MetadataLength]];
        return [.. metadata, .. new byte[Padded(metadata.Length) - metadata.Length], .. model[(int)head.DataOffset..]];
    }

    public static long ByteSize(GgufWeights type, long values) => type switch
    {
        GgufWeights.F32 => values * 4,
        GgufWeights.F16 => values * 2,
        GgufWeights.Q8 => values / 32 * 34,
        _ => values / 32 * 18,
    };

    /// <summary>Random weights of about this standard deviation, made directly in the stored type.</summary>
    public static byte[] Noise(Random random, GgufWeights type, long values, double deviation)
    {
        byte[] bytes = new byte[ByteSize(type, values)];
        random.NextBytes(bytes);
        if (type == GgufWeights.F16)
        {
            // Sign and mantissa random, exponent fixed: |x| in [e, 2e).
            int exponent = Math.Clamp((int)Math.Floor(Math.Log2(deviation / 1.53)) + 15, 1, 30);
            for (int i = 1; i < bytes.Length; i += 2)
            {
                bytes[i] = (byte)((bytes[i] & 0x83) | (exponent << 2));
            }

            return bytes;
        }

        int block = type == GgufWeights.Q8 ? 34 : 18;
        Half scale = (Half)(deviation / (type == GgufWeights.Q8 ? 74 : 4.6));
        for (int i = 0; i < bytes.Length; i += block)
        {
            BinaryPrimitives.WriteHalfLittleEndian(bytes.AsSpan(i), scale);
        }

        return bytes;
    }

    public static byte[] Pack(GgufWeights type, float[] values)
    {
        byte[] bytes = new byte[ByteSize(type, values.Length)];
        for (int i = 0; i < values.Length; i++)
        {
            switch (type)
            {
                case GgufWeights.F32:
                    BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * 4), values[i]);
                    break;
                case GgufWeights.F16:
                    BinaryPrimitives.WriteHalfLittleEndian(bytes.AsSpan(i * 2), (Half)values[i]);
                    break;
                case GgufWeights.Q8 when i % 32 == 0:
                    ReadOnlySpan<float> row = values.AsSpan(i, 32);
                    float largest = 0;
                    foreach (float v in row)
                    {
                        largest = Math.Max(largest, Math.Abs(v));
                    }

                    float scale = largest == 0 ? 1e-8f : largest / 127;
                    BinaryPrimitives.WriteHalfLittleEndian(bytes.AsSpan(i / 32 * 34), (Half)scale);
                    for (int j = 0; j < 32; j++)
                    {
                        bytes[(i / 32 * 34) + 2 + j] = (byte)(sbyte)Math.Clamp(MathF.Round(row[j] / scale), -127, 127);
                    }

                    break;
            }
        }

        return bytes;
    }

    private void Value(string key, uint type, Action<BinaryWriter> write)
    {
        using BinaryWriter writer = new(_values, Encoding.UTF8, leaveOpen: true);
        Text(writer, key);
        writer.Write(type);
        write(writer);
        _valueCount++;
    }

    private static void Text(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    private static long Padded(long length) => (length + Alignment - 1) / Alignment * Alignment;
}
