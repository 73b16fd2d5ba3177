using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.LiteClient;
using Cocoon.Protocol.Ton.Tl;

namespace Cocoon.Tests.Protocol.Ton.LiteClient;

/// <summary>Key blocks 10, 20, 30 …, each naming the validators that sign the next, and a head block with accounts.</summary>
internal sealed class TestKeyChain
{
    private readonly List<(BlockId Id, Cell Block, TestValidators Next)> _keyBlocks = [];
    private readonly bool _simplex;

    public TestKeyChain(int keyBlocks, bool simplex, params (TonAddress Address, Cell State)[] accounts)
    {
        _simplex = simplex;
        for (int i = 0; i < keyBlocks; i++)
        {
            TestValidators next = new(seed: i, count: 9, main: 7, shuffled: i % 2 == 0);
            TestValidators.Session? session = i == 0 ? null : _keyBlocks[^1].Next.SessionOf((uint)i);
            Cell block = TestBlocks.Block(TestBlocks.Header((uint)(10 * (i + 1)), isKey: true, ProofChain.Time, session), Cell.Empty, TestBlocks.Extra(next.Config()));
            _keyBlocks.Add((TestBlocks.IdOf((uint)(10 * (i + 1)), block), block, next));
        }

        HeadSession = Validators.SessionOf(500);
        Head = new ProofChain(1000, HeadSession, accounts);
    }

    public BlockId Anchor => _keyBlocks[0].Id;

    public BlockId LastKeyBlock => _keyBlocks[^1].Id;

    /// <summary>In charge of the head.</summary>
    public TestValidators Validators => _keyBlocks[^1].Next;

    public TestValidators.Session HeadSession { get; }

    public ProofChain Head { get; }

    /// <summary>Key blocks that one answer leads over at most.</summary>
    public int StepsPerAnswer { get; init; } = 2;

    /// <summary>Proofs asked for.</summary>
    public int Proofs { get; private set; }

    public byte[]? Serve(byte[] query)
    {
        TlReader reader = new(query);
        if (reader.ReadUInt32() != TlConstructors.GetBlockProof)
        {
            return MockLiteServer.Serve(Head, query);
        }

        reader.ReadUInt32();
        BlockId from = BlockId.Read(ref reader);
        Proofs++;

        // Asked from a block of another chain, it claims that its own chain starts there.
        int at = Math.Max(0, _keyBlocks.FindIndex(block => block.Id == from));
        List<byte[]> steps = [];
        while (steps.Count < StepsPerAnswer && at < _keyBlocks.Count - 1)
        {
            steps.Add(Step(at++));
        }

        bool complete = steps.Count < StepsPerAnswer;
        if (complete)
        {
            steps.Add(HeadStep());
        }

        return Answer(complete, from, complete ? Head.Id : _keyBlocks[at].Id, steps);
    }

    public static byte[] Answer(bool complete, BlockId from, BlockId to, IReadOnlyList<byte[]> steps)
    {
        TlWriter answer = new TlWriter().UInt32(0x8ED0D2C1).UInt32(complete ? 0x997275B5 : 0xBC799737);
        from.Write(answer);
        to.Write(answer);
        answer.UInt32((uint)steps.Count);
        foreach (byte[] step in steps)
        {
            answer.Raw(step);
        }

        return answer.ToArray();
    }

    public static byte[] Forward(bool toKey, BlockId from, BlockId to, byte[] destination, byte[] config, byte[] signatures)
    {
        TlWriter link = new TlWriter().UInt32(0x520FCE1C).UInt32(toKey ? 0x997275B5 : 0xBC799737);
        from.Write(link);
        to.Write(link);
        return link.Bytes(destination).Bytes(config).Raw(signatures).ToArray();
    }

    /// <summary>From key block to key block.</summary>
    public byte[] Step(int index)
    {
        (BlockId id, Cell block, TestValidators validators) = _keyBlocks[index];
        (BlockId next, Cell nextBlock, _) = _keyBlocks[index + 1];
        byte[] signatures = validators.Sign(next, validators.SessionOf((uint)index + 1), _simplex, Enumerable.Range(0, validators.Main));
        return Forward(true, id, next, TestBlocks.HeaderProof(nextBlock), TestBlocks.ConfigProof(block), signatures);
    }

    public byte[] HeadStep(byte[]? signatures = null, byte[]? header = null, BlockId? to = null, bool toKey = false) => Forward(
        toKey, LastKeyBlock, to ?? Head.Id, header ?? Head.HeaderProof(), TestBlocks.ConfigProof(_keyBlocks[^1].Block),
        signatures ?? Validators.Sign(Head.Id, HeadSession, _simplex, Enumerable.Range(0, Validators.Main)));

    /// <summary>The configuration of the last key block, as a proof of another block's would be.</summary>
    public byte[] LastConfigProof => TestBlocks.ConfigProof(_keyBlocks[^1].Block);
}
