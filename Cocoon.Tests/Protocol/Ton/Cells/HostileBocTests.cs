using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Ton.Cells;

/// <summary>Bags of cells from strangers: protocol errors only, whatever the bytes.</summary>
public sealed class HostileBocTests
{
    private static Cell Sample(Random random, int depth)
    {
        CellBuilder builder = new();
        byte[] data = new byte[random.Next(0, 40)];
        random.NextBytes(data);
        builder.StoreBytes(data).StoreUInt(1, random.Next(1, 9));
        for (int i = depth == 0 ? 0 : random.Next(1, 5); i > 0; i--)
        {
            builder.StoreReference(Sample(random, depth - 1));
        }

        Cell cell = builder.Build();
        return depth == 2 && random.Next(2) == 0 ? MerkleProof.Create(cell) : cell;
    }

    private static byte[] WithCrc(byte[] boc)
    {
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(boc.AsSpan(boc.Length - 4), Checksums.Crc32C(boc.AsSpan(0, boc.Length - 4)));
        return boc;
    }

    [Test]
    public void Read_OfMutatedBags_ThrowsProtocolErrorsOnly()
    {
        Random random = new(20260723);
        byte[] good = BocWriter.Write(Sample(random, 4));
        int accepted = 0;
        for (int i = 0; i < 10_000; i++)
        {
            if (i % 500 == 0)
            {
                good = BocWriter.Write(Sample(random, 4), crc: i % 1000 == 0);
            }

            byte[] bad = (byte[])good.Clone();
            for (int flips = random.Next(1, 4); flips > 0; flips--)
            {
                bad[random.Next(bad.Length)] ^= (byte)(1 << random.Next(8));
            }

            if (i % 1000 < 500)
            {
                bad = WithCrc(bad);
            }

            if (i % 7 == 0)
            {
                bad = bad[..random.Next(bad.Length)];
            }

            accepted += ReadsOrRefuses(bad) ? 1 : 0;
        }

        Assert.That(accepted, Is.GreaterThan(0), "mutations of data bits are other valid bags");
    }

    [Test]
    public void Read_OfRandomBytes_ThrowsProtocolErrorsOnly()
    {
        Random random = new(7);
        for (int i = 0; i < 10_000; i++)
        {
            byte[] noise = new byte[random.Next(0, 200)];
            random.NextBytes(noise);
            byte[] framed = [0xB5, 0xEE, 0x9C, 0x72, (byte)(1 + random.Next(2)), 1, .. noise];
            ReadsOrRefuses(framed);
            ReadsOrRefuses(noise);
        }
    }

    [Test]
    public void Read_OfEveryTruncation_IsRefused()
    {
        byte[] good = BocWriter.Write(Sample(new Random(3), 3));
        for (int i = 0; i < good.Length; i++)
        {
            Assert.That(ReadsOrRefuses(good[..i]), Is.False);
        }

        Assert.That(ReadsOrRefuses([.. good, 0]), Is.False, "bytes left over");
    }

    [Test]
    public void Read_OverALimit_SaysSo()
    {
        byte[] boc = BocWriter.Write(Sample(new Random(5), 4));
        foreach (BocLimits limits in new[] { new BocLimits { MaxBytes = 10 }, new BocLimits { MaxCells = 2 }, new BocLimits { MaxRoots = 0 } })
        {
            TonException fault = Assert.Throws<TonException>(() => BocReader.Read(boc, limits))!;
            Assert.That(fault.Code, Is.EqualTo(TonErrorCode.LimitExceeded));
        }
    }

    [Test]
    public void Read_OfCountsThatPromiseGigabytes_AllocatesLittle()
    {
        byte[] boc = [0xB5, 0xEE, 0x9C, 0x72, 0x04, 0x08, 0x00, 0x01, 0xFF, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(ReadsOrRefuses(boc), Is.False);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(100_000));
    }

    [Test]
    public void Read_OfAChainDeeperThanACellMayBe_IsRefusedWithoutRecursion()
    {
        List<byte> cells = [];
        const int count = 2000;
        for (int i = 0; i < count; i++)
        {
            cells.AddRange(i < count - 1 ? [1, 0, (byte)((i + 1) >> 8), (byte)(i + 1)] : [0, 0]);
        }

        byte[] boc = [0xB5, 0xEE, 0x9C, 0x72, 0x02, 0x02, count >> 8, count & 0xFF, 0, 1, 0, 0, (byte)(cells.Count >> 8), (byte)cells.Count, 0, 0, .. cells];
        TonException fault = Assert.Throws<TonException>(() => BocReader.Read(boc))!;
        Assert.That(fault.Message, Does.Contain("deeper"));
    }

    [Test]
    public void Dictionary_OfSharedCells_StopsAtTheEntryLimit()
    {
        // 40 levels of forks whose two branches are one cell: 2^40 entries in 41 cells.
        Cell edge = new CellBuilder().StoreUInt(0, 2).Build();
        for (int i = 0; i < 40; i++)
        {
            edge = new CellBuilder().StoreUInt(0, 2).StoreReference(edge).StoreReference(edge).Build();
        }

        TonException fault = Assert.Throws<TonException>(() => Hashmap.Read(edge, 40, maxEntries: 1000))!;
        Assert.That(fault.Code, Is.EqualTo(TonErrorCode.LimitExceeded));
    }

    [Test]
    public void Stack_OfSharedTuples_StopsAtTheValueLimit()
    {
        Cell item = new CellBuilder().StoreUInt(0, 8).Build();
        for (int i = 0; i < 60; i++)
        {
            item = new CellBuilder().StoreUInt(7, 8).StoreUInt(2, 16).StoreReference(item).StoreReference(item).Build();
        }

        Cell stack = new CellBuilder().StoreUInt(1, 24).StoreReference(Cell.Empty).StoreCell(item).Build();
        TonException fault = Assert.Throws<TonException>(() => StackValue.ReadStack(stack))!;
        Assert.That(fault.Code, Is.EqualTo(TonErrorCode.LimitExceeded));
    }

    /// <summary>Also walks what was accepted with the parsers above, which must hold to the same promise.</summary>
    private static bool ReadsOrRefuses(byte[] bytes)
    {
        try
        {
            foreach (Cell root in BocReader.Read(bytes))
            {
                Refuses(() => TonTransaction.Read(root));
                Refuses(() => TonMessage.Read(root));
                Refuses(() => StackValue.ReadStack(root));
                Refuses(() => Hashmap.Read(root, 16, maxEntries: 100));
                Refuses(() => SnakeCell.Read(root.BeginParse(), 1000));
            }

            return true;
        }
        catch (TonException)
        {
            return false;
        }
    }

    private static void Refuses(Action parse)
    {
        try
        {
            parse();
        }
        catch (TonException)
        {
        }
    }
}
