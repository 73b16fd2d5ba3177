using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.LiteClient;
using Cocoon.Protocol.Ton.Messages;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Ton.LiteClient;

/// <summary>What a lying lite-server could try. Each lie must be refused, because money is decided by the answer.</summary>
public sealed class AccountProofTests
{
    private static readonly TonAddress s_left = Address(0, 0x10);
    private static readonly TonAddress s_right = Address(0, 0x90);
    private static readonly TonAddress s_other = Address(0, 0xD0);
    private static readonly TonAddress s_master = Address(-1, 0x33);
    private static readonly StateInit s_init = new(new CellBuilder().StoreUtf8("code").Build(), new CellBuilder().StoreUtf8("data").Build());
    private static readonly ProofChain s_chain = Chain();

    private static TonAddress Address(int workchain, byte fill) => new(workchain, new CellHash(Enumerable.Repeat(fill, 32).ToArray()));

    private static ProofChain Chain(uint seqno = 100, ulong balance = 5_000_000_000) => new(
        seqno,
        (s_left, ProofChain.Account(s_left, balance, s_init)),
        (s_right, ProofChain.Account(s_right, 7)),
        (s_other, ProofChain.Account(s_other, 9, frozen: true)),
        (s_master, ProofChain.Account(s_master, 11, s_init)));

    [Test]
    public void Verify_OfHonestAnswers_GivesTheAccounts()
    {
        TonAccount left = s_chain.ProofOf(s_left).Verify(s_chain.Id, s_left);
        Assert.That((left.Status, left.Balance, left.SyncTime, left.Seqno), Is.EqualTo((AccountStatus.Active, 5_000_000_000UL, ProofChain.Time, 100U)));
        Assert.That((left.Code, left.Data), Is.EqualTo((s_init.Code, s_init.Data)));
        Assert.That(left.LastTransaction.LogicalTime, Is.EqualTo(4242));
        Assert.That(s_chain.ProofOf(s_right).Verify(s_chain.Id, s_right).Status, Is.EqualTo(AccountStatus.Uninitialized));
        Assert.That(s_chain.ProofOf(s_other).Verify(s_chain.Id, s_other).Status, Is.EqualTo(AccountStatus.Frozen));
        Assert.That(s_chain.ProofOf(s_master).Verify(s_chain.Id, s_master).Balance, Is.EqualTo(11));
    }

    [Test]
    public void Verify_OfAnAbsentAccount_IsProvenAbsence()
    {
        TonAddress nobody = Address(0, 0x55);
        AccountProof proof = s_chain.ProofOf(nobody);
        TonAccount account = proof.Verify(s_chain.Id, nobody);
        Assert.That((account.Status, account.Balance, account.Data), Is.EqualTo((AccountStatus.Uninitialized, 0UL, (Cell?)null)));
        Refused(proof with { State = BocWriter.Write(ProofChain.Account(nobody, 1_000)) }, nobody);
    }

    [Test]
    public void Verify_OfEachLie_IsRefused()
    {
        AccountProof honest = s_chain.ProofOf(s_left);
        ProofChain richer = Chain(balance: 6_000_000_000);
        AccountProof rich = richer.ProofOf(s_left);
        Refused(rich, s_left);
        Refused(honest with { State = rich.State }, s_left);
        Refused(honest with { Proof = rich.Proof, State = rich.State }, s_left);
        Refused(honest with { Proof = rich.Proof, State = rich.State, ShardBlock = rich.ShardBlock }, s_left);
        Refused(honest with { Proof = rich.Proof, State = rich.State, ShardBlock = rich.ShardBlock, ShardProof = rich.ShardProof }, s_left);
        Refused(honest with { State = [] }, s_left);
        Cell state = BocReader.ReadSingle(honest.State);
        Refused(honest with { State = BocWriter.Write(MerkleProof.Prune(state)) }, s_left);
        CellBuilder holes = new CellBuilder().StoreBits(state.Data, state.BitLength);
        foreach (Cell part in state.References)
        {
            holes.StoreReference(MerkleProof.Prune(part));
        }

        Assert.That(holes.Build().HashAt(0), Is.EqualTo(state.Hash), "code and data left out");
        Refused(honest with { State = BocWriter.Write(holes.Build()) }, s_left);
        Refused(honest with { State = s_chain.ProofOf(s_right).State }, s_left);
        Refused(honest with { ShardProof = [] }, s_left);
        Refused(honest with { ShardProof = honest.Proof }, s_left);
        Refused(honest with { ShardBlock = honest.ShardBlock with { Seqno = honest.ShardBlock.Seqno + 1 } }, s_left);
        Refused(honest with { ShardBlock = honest.ShardBlock with { Shard = BlockId.WholeShard } }, s_left);
        Refused(honest with { ShardBlock = honest.ShardBlock with { FileHash = default } }, s_left);
        Refused(s_chain.ProofOf(s_right), s_left);
        Refused(s_chain.ProofOf(s_left), s_right);
        Refused(s_chain.ProofOf(s_master) with { ShardBlock = honest.ShardBlock }, s_master);
        Refused(Chain(99).ProofOf(s_left), s_left);
        Refused(Chain(99).ProofOf(s_left) with { Block = s_chain.Id }, s_left);
    }

    [Test]
    public void Verify_OfMutatedProofs_NeverSaysAnythingElse()
    {
        AccountProof honest = s_chain.ProofOf(s_left);
        TonAccount truth = honest.Verify(s_chain.Id, s_left);
        Random random = new(5);
        for (int i = 0; i < 10_000; i++)
        {
            AccountProof mutated = (i % 3) switch
            {
                0 => honest with { ShardProof = Mutate(honest.ShardProof, random) },
                1 => honest with { Proof = Mutate(honest.Proof, random) },
                _ => honest with { State = Mutate(honest.State, random) },
            };
            try
            {
                Assert.That(mutated.Verify(s_chain.Id, s_left), Is.EqualTo(truth));
            }
            catch (TonException)
            {
            }
        }
    }

    /// <summary>Answers of a mainnet lite-server. Their shard blocks come without file hash, so for those the last step is checked alone.</summary>
    [TestCase("read-masterchain.txt", true)]
    [TestCase("read-basechain.txt", true)]
    [TestCase("read-absent.txt", false)]
    public void Verify_OfCapturedAnswers_GivesTheAccounts(string file, bool exists)
    {
        string? path = TestPaths.Vectors is { } folder ? Path.Combine(folder, "ton", "proofs", file) : null;
        if (!File.Exists(path))
        {
            Assert.Ignore($"shared/vectors/ton/proofs/{file} is absent");
        }

        Dictionary<string, string> answer = File.ReadAllLines(path).Where(line => line.Contains('=')).Select(line => line.Split('=', 2)).ToDictionary(line => line[0], line => line[1]);
        byte[] Field(string name) => Convert.FromHexString(answer[name]);
        TonAddress address = new(int.Parse(answer["workchain"], System.Globalization.CultureInfo.InvariantCulture), new CellHash(Field("account_id")));
        uint seqno = uint.Parse(answer["block_seqno"], System.Globalization.CultureInfo.InvariantCulture);
        BlockId block = new(BlockId.Masterchain, BlockId.WholeShard, seqno, new CellHash(Field("block_root_hash")), default);
        BlockId shard = new(
            address.Workchain,
            Convert.ToUInt64(answer["shard_block_shard"], 16),
            uint.Parse(answer["shard_block_seqno"], System.Globalization.CultureInfo.InvariantCulture),
            new CellHash(Field("shard_block_root_hash")),
            default);
        if (address.Workchain == BlockId.Masterchain)
        {
            TonAccount account = new AccountProof(block, shard, Field("shard_proof"), Field("proof"), Field("state")).Verify(block, address);
            Assert.That((account.SyncTime > 1_700_000_000, account.Seqno, account.LastTransaction.LogicalTime > 0), Is.EqualTo((true, seqno, exists)));
            return;
        }

        Cell[] shards = BocReader.Read(Field("shard_proof"));
        Assert.That(ShardState.Open(block, shards[0], shards[1]).ListsShard(address, shard), Is.False, "the made-up file hash is not the listed one");
        Cell[] proof = BocReader.Read(Field("proof"));
        Assert.That(ShardState.Open(shard, proof[0], proof[1]).TryGetAccount(address, out CellHash hash, out TransactionId last), Is.EqualTo(exists));
        if (exists)
        {
            Assert.That(BocReader.ReadSingle(Field("state")).HashAt(0), Is.EqualTo(hash));
            Assert.That(last.LogicalTime, Is.Positive);
        }
    }

    /// <summary>With the checksum put right, so that the cells themselves are tested.</summary>
    private static byte[] Mutate(byte[] boc, Random random)
    {
        byte[] bad = (byte[])boc.Clone();
        bad[random.Next(bad.Length - 4)] ^= (byte)(1 << random.Next(8));
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(bad.AsSpan(bad.Length - 4), Checksums.Crc32C(bad.AsSpan(0, bad.Length - 4)));
        return bad;
    }

    private static void Refused(AccountProof proof, TonAddress address) =>
        Assert.Throws<TonException>(() => proof.Verify(s_chain.Id, address));
}
