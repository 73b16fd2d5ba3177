using System.Numerics;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Ton.Cells;

public sealed class CellPropertyTests
{
    [Test]
    public void Integers_StoredAtAnyOffset_ComeBack() => Prop.ForAll<ulong, int, int>((value, bits, offset) =>
    {
        int width = 1 + (Math.Abs(bits % 64));
        int skip = Math.Abs(offset % 900);
        ulong cut = width == 64 ? value : value & ((1UL << width) - 1);
        long signed = (long)(cut << (64 - width)) >> (64 - width);
        CellSlice slice = new CellBuilder().StoreBits(new byte[128], skip).StoreUInt(cut, width).StoreInt(signed >> 1, width).Build().BeginParse();
        slice.Skip(skip);
        return slice.LoadUInt(width) == cut && slice.LoadInt(width) == signed >> 1 && slice.IsEmpty;
    }).QuickCheckThrowOnFailure();

    [Test]
    public void BigIntegers_OfAnyWidth_ComeBack() => Prop.ForAll<BigInteger>(value =>
    {
        BigInteger number = BigInteger.Remainder(value * value * value, BigInteger.One << 256);
        CellSlice slice = new CellBuilder().StoreBigInt(number, 257).StoreVarUInt(BigInteger.Abs(number), 6).Build().BeginParse();
        return slice.LoadBigInt(257) == number && slice.LoadVarUInt(6) == BigInteger.Abs(number);
    }).QuickCheckThrowOnFailure();

    [Test]
    public void Dictionaries_OfAnyEntries_ComeBackAndFindTheirKeys() => Prop.ForAll<Dictionary<ushort, byte>>(entries =>
    {
        Hashmap map = new(16);
        foreach ((ushort key, byte value) in entries)
        {
            map.Set(key, new CellBuilder().StoreUInt(value, 8).Build());
        }

        Cell? root = map.ToCell();
        Hashmap read = Hashmap.Read(root is null ? null : BocReader.ReadSingle(BocWriter.Write(root)), 16);
        return read.Count == entries.Count
            && read.ToCell()?.Hash == root?.Hash
            && entries.All(entry => HashmapReader.TryLookup(root, 16, map.IntegerKey(entry.Key), out CellSlice? found) && found.LoadUInt(8) == entry.Value)
            && Enumerable.Range(0, 50).Select(i => (ushort)(i * 1301)).Where(key => !entries.ContainsKey(key))
                .All(key => !HashmapReader.TryLookup(root, 16, map.IntegerKey(key), out _));
    }).QuickCheckThrowOnFailure();

    [Test]
    public void SnakeCells_OfAnyBytes_ComeBack() => Prop.ForAll<byte[], byte>((bytes, repeat) =>
    {
        byte[] all = [.. Enumerable.Repeat(bytes, 1 + (repeat % 20)).SelectMany(part => part)];
        return SnakeCell.Read(SnakeCell.Write(all).BeginParse(), all.Length).SequenceEqual(all);
    }).QuickCheckThrowOnFailure();

    [Test]
    public void Address_AnyWithFlags_ReadsBackAsText() => Prop.ForAll<sbyte, int, bool>((workchain, seed, bounceable) =>
    {
        byte[] id = new byte[32];
        new System.Random(seed).NextBytes(id);
        TonAddress address = new(workchain, new CellHash(id));
        return TonAddress.TryParseFriendly(address.ToFriendly(bounceable), out TonAddress back, out TonAddress.FriendlyFlags flags)
            && back == address && flags.Bounceable == bounceable
            && TonAddress.TryParse(address.ToString(), out TonAddress raw) && raw == address
            && new CellBuilder().StoreAddress(address).Build().BeginParse().LoadAddress() == address;
    }).QuickCheckThrowOnFailure();

    [Test]
    public void Builder_OverItsCapacity_SaysSo()
    {
        Assert.Throws<InvalidOperationException>(() => new CellBuilder().StoreBits(new byte[128], 1023).StoreBit(true));
        Assert.Throws<InvalidOperationException>(() =>
        {
            CellBuilder builder = new();
            for (int i = 0; i < 5; i++)
            {
                builder.StoreReference(Cell.Empty);
            }
        });
        Assert.Throws<ArgumentOutOfRangeException>(() => new CellBuilder().StoreUInt(256, 8));
        Assert.Throws<ArgumentOutOfRangeException>(() => new CellBuilder().StoreInt(128, 8));
    }
}
