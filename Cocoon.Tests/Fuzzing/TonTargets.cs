using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.LiteClient;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Tl;
using Cocoon.Protocol.Ton.Toncenter;
using Cocoon.Tests.Protocol.Ton.LiteClient;

namespace Cocoon.Tests.Fuzzing;

internal static class TonTargets
{
    private static readonly TonAddress s_account = new(0, new CellHash(new byte[CellHash.Size]));

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        FuzzTarget.Of<TonException>("ton/boc", 200, Walk, BocSamples(crc: false)),
        FuzzTarget.Of<TonException>("ton/boc-with-checksum", 200, bytes =>
            {
                // A checksum that holds lets damage reach the parser behind it.
                if (bytes.Length > 4)
                {
                    BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(bytes.Length - 4), Checksums.Crc32C(bytes.AsSpan(0, bytes.Length - 4)));
                }

                Walk(bytes);
            },
            BocSamples(crc: true)),
        FuzzTarget.Of<TonException>("ton/tl", 200, bytes =>
            {
                TlReader reader = new(bytes);
                BlockId.Read(ref reader);
                reader.ReadCount(4);
                reader.ReadBytes();
                reader.ReadString();
                reader.ReadBytes();
            },
            [.. new byte[84], 0, 0, 0, 3, 1, 2, 3, 1, 65, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0]),
        FuzzTarget.Of<TonException>("ton/account-proof", 300, bytes =>
            {
                TlReader reader = new(bytes);
                AccountProof proof = AccountProof.Read(ref reader);
                proof.Verify(proof.Block, s_account);
            },
            AccountAnswer()),
        FuzzTarget.Of<TonException>("ton/block-proof", 300, bytes =>
            {
                TlReader reader = new(bytes);
                BlockProof proof = BlockProof.Read(ref reader);
                proof.Verify(proof.From, new LiteTonOptions { Servers = [] });
            },
            BlockProofs()),
        FuzzTarget.Of<TonException>("ton/global-config", 300, bytes => GlobalConfig.Parse(bytes),
            """{"liteservers":[{"ip":-1185526007,"port":4701,"id":{"key":"aF91CuUHuuOv9rm2W5+O/4h38M3sRm40DtSdRxQhmtQ="}}],"validator":{"init_block":{"file_hash":"VpWyfNOLm8Rqt6CZZ9dZGqJRO3NyrlHHYN1k1oLbJ6g=","seqno":1,"root_hash":"VpWyfNOLm8Rqt6CZZ9dZGqJRO3NyrlHHYN1k1oLbJ6g=","workchain":-1,"shard":-9223372036854775808}}}"""u8.ToArray()),
        FuzzTarget.Of("ton/address", 80, bytes => TonAddress.TryParse(Encoding.UTF8.GetString(bytes), out _),
            Encoding.UTF8.GetBytes("0:" + new string('a', 64)), "EQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAM9c"u8.ToArray()),
        FuzzTarget.Of<TonException>("ton/toncenter-stack", 200, bytes =>
            {
                JsonDocument document;
                try
                {
                    document = JsonDocument.Parse(bytes);
                }
                catch (JsonException)
                {
                    return;
                }

                using (document)
                {
                    ToncenterJson.Read(document.RootElement, ToncenterJson.StackOutput);
                }
            },
            """["num","0x2a"]"""u8.ToArray(),
            """["tuple",{"elements":[{"@type":"tvm.stackEntryNumber","number":{"number":"7"}},{"@type":"tvm.stackEntryList","list":{"elements":[]}}]}]"""u8.ToArray(),
            """["cell",{"bytes":"te6cckEBAQEAAgAAAEysuc0="}]"""u8.ToArray()),
    ];

    private static void Walk(byte[] bytes)
    {
        foreach (Cell root in BocReader.Read(bytes))
        {
            foreach (Action<Cell> parser in Parsers)
            {
                try
                {
                    parser(root);
                }
                catch (TonException)
                {
                    // The next parser has its turn.
                }
            }
        }
    }

    private static readonly Action<Cell>[] Parsers =
    [
        static root => TonTransaction.Read(root),
        static root => TonMessage.Read(root),
        static root => StackValue.ReadStack(root),
        static root => Hashmap.Read(root, 16, maxEntries: 100),
        static root => SnakeCell.Read(root.BeginParse(), 1000),
    ];

    private static byte[] AccountAnswer()
    {
        AccountProof proof = new ProofChain(100, (s_account, ProofChain.Account(s_account, 5))).ProofOf(s_account);
        TlWriter answer = new();
        proof.Block.Write(answer);
        proof.ShardBlock.Write(answer);
        return answer.Bytes(proof.ShardProof).Bytes(proof.Proof).Bytes(proof.State).ToArray();
    }

    /// <summary>Both signature forms, past the constructor.</summary>
    private static byte[][] BlockProofs() => Array.ConvertAll([true, false], simplex =>
    {
        TestKeyChain chain = new(1, simplex);
        return TestKeyChain.Answer(true, chain.Anchor, chain.Head.Id, [chain.HeadStep()])[4..];
    });

    private static byte[][] BocSamples(bool crc)
    {
        Random random = new(5);
        return [.. Enumerable.Range(0, 8).Select(_ => BocWriter.Write(Sample(random, 3), crc: crc))];
    }

    private static Cell Sample(Random random, int depth)
    {
        CellBuilder builder = new();
        byte[] data = new byte[random.Next(0, 40)];
        random.NextBytes(data);
        builder.StoreBytes(data).StoreUInt(1, random.Next(1, 9));
        for (int i = depth == 0 ? 0 : random.Next(1, 4); i > 0; i--)
        {
            builder.StoreReference(Sample(random, depth - 1));
        }

        Cell cell = builder.Build();
        return depth == 2 && random.Next(2) == 0 ? MerkleProof.Create(cell) : cell;
    }
}
