using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.LiteClient;
using Cocoon.Protocol.Ton.Tl;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Ton.LiteClient;

/// <summary>From an anchor to a block by validators' signatures: what is enough, and each thing that is not.</summary>
public sealed class BlockProofTests
{
    private static readonly TonAddress s_address = new(0, new CellHash(Enumerable.Repeat((byte)0x10, 32).ToArray()));
    private static readonly LiteTonOptions s_options = new() { Servers = [] };

    private static TestKeyChain Chain(bool simplex = true, int keyBlocks = 1) => new(keyBlocks, simplex, (s_address, ProofChain.Account(s_address, 5)));

    private static (BlockId Reached, BlockId? KeyBlock) Verify(byte[] answer, BlockId trusted, LiteTonOptions? options = null)
    {
        TlReader reader = new(answer);
        reader.Require(TlConstructors.PartialBlockProof);
        return BlockProof.Read(ref reader).Verify(trusted, options ?? s_options);
    }

    private static void Refused(TestKeyChain chain, byte[] step, string reason, BlockId? to = null) => Assert.That(
        () => Verify(TestKeyChain.Answer(true, chain.Anchor, to ?? chain.Head.Id, [step]), chain.Anchor),
        Throws.TypeOf<TonException>().With.Message.Contains(reason));

    [TestCase(true)]
    [TestCase(false)]
    public void Verify_OfHonestChains_ReachesTheBlock(bool simplex)
    {
        TestKeyChain chain = new(4, simplex, (s_address, ProofChain.Account(s_address, 5))) { StepsPerAnswer = 16 };
        byte[] answer = chain.Serve(Query(chain.Anchor, chain.Head.Id))!;
        Assert.That(Verify(answer, chain.Anchor), Is.EqualTo((chain.Head.Id, (BlockId?)chain.LastKeyBlock)));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void Verify_OfTwoThirdsOrLess_IsRefused(bool simplex)
    {
        TestKeyChain chain = Chain(simplex);

        // 7 validators of weight 100 to 106: 4 of 7 are too few, 5 are just enough; with the light ones of 5 it is 510 of 721.
        Refused(chain, chain.HeadStep(Sign(chain, simplex, [3, 4, 5, 6])), "more than two thirds are needed");
        Refused(chain, chain.HeadStep(Sign(chain, simplex, [])), "more than two thirds are needed");
        Verify(TestKeyChain.Answer(true, chain.Anchor, chain.Head.Id, [chain.HeadStep(Sign(chain, simplex, [0, 1, 2, 3, 4]))]), chain.Anchor);
    }

    [TestCase(true)]
    [TestCase(false)]
    public void Verify_OfBadSignatures_IsRefused(bool simplex)
    {
        TestKeyChain chain = Chain(simplex);
        TestValidators strangers = new(seed: 99, count: 9, main: 7);
        byte[] wrong = Sign(chain, simplex, [0, 1, 2, 3, 4, 5]);
        wrong[60] ^= 1;
        Refused(chain, chain.HeadStep(Sign(chain, simplex, [0, 1, 2, 3, 4, 4])), "second one");
        Refused(chain, chain.HeadStep(strangers.Sign(chain.Head.Id, chain.HeadSession, simplex, Enumerable.Range(0, 7))), "nobody in the set");
        Refused(chain, chain.HeadStep(Sign(chain, simplex, [0, 1, 2, 3, 4, 8])), "nobody in the set");
        Refused(chain, chain.HeadStep(wrong), "wrong");
        Refused(chain, chain.HeadStep(chain.Validators.Sign(chain.Anchor, chain.HeadSession, simplex, Enumerable.Range(0, 7))), simplex ? "another block" : "wrong");
        Refused(chain, chain.HeadStep(chain.Validators.Sign(chain.Head.Id, chain.HeadSession with { SetHash = 1 }, simplex, Enumerable.Range(0, 7))), "another session");
        Refused(chain, chain.HeadStep(chain.Validators.Sign(chain.Head.Id, chain.HeadSession with { CatchainSeqno = 1 }, simplex, Enumerable.Range(0, 7))), "another session");
    }

    [Test]
    public void Verify_OfASessionThatIsNotTheSets_IsRefused()
    {
        // Header and signatures agree on a session; the set of the key block has another hash.
        TestValidators strangers = new(seed: 99, count: 9, main: 7);
        TestKeyChain chain = Chain();
        TestValidators.Session foreign = strangers.SessionOf(500);
        ProofChain forged = new(1000, foreign, (s_address, ProofChain.Account(s_address, 1_000_000)));
        byte[] signatures = strangers.Sign(forged.Id, foreign, simplex: true, Enumerable.Range(0, 7));
        Refused(chain, chain.HeadStep(signatures, forged.HeaderProof(), forged.Id), "another set of validators", forged.Id);
    }

    [Test]
    public void Verify_OfSwappedProofs_IsRefused()
    {
        TestKeyChain chain = Chain();
        TestKeyChain other = Chain(keyBlocks: 2);
        byte[] signatures = Sign(chain, true, [0, 1, 2, 3, 4, 5, 6]);
        Refused(chain, chain.HeadStep(header: chain.LastConfigProof), "Merkle proof of");
        Refused(chain, TestKeyChain.Forward(false, chain.Anchor, chain.Head.Id, chain.Head.HeaderProof(), chain.Head.HeaderProof(), signatures), "Merkle proof of");
        Refused(chain, TestKeyChain.Forward(false, chain.Anchor, chain.Head.Id, chain.Head.HeaderProof(), other.LastConfigProof, signatures), "Merkle proof of");
        Refused(chain, chain.HeadStep(toKey: true), "calls a key block");
        Refused(chain, chain.HeadStep(to: chain.Head.Id with { Seqno = 1001 }), "another block", chain.Head.Id with { Seqno = 1001 });
        Refused(chain, chain.HeadStep(to: chain.Head.Id with { FileHash = default }), "another block", chain.Head.Id with { FileHash = default });
        Refused(chain, chain.HeadStep(to: chain.Head.Id with { Workchain = 0 }), "outside the masterchain", chain.Head.Id with { Workchain = 0 });
        Refused(chain, TestKeyChain.Forward(false, chain.Head.Id, chain.Anchor, [], [], signatures), "gap");
        Assert.That(() => Verify(TestKeyChain.Answer(true, chain.LastKeyBlock, chain.Head.Id, [chain.HeadStep()]), chain.Head.Id), Throws.TypeOf<TonException>());
        Assert.That(
            () => Verify(TestKeyChain.Answer(true, chain.Anchor, chain.Anchor, [chain.HeadStep()]), chain.Anchor),
            Throws.TypeOf<TonException>().With.Message.Contains("ends elsewhere"));
        Assert.That(
            () => Verify(TestKeyChain.Answer(true, other.Anchor, other.Head.Id, [other.HeadStep()]), other.Anchor),
            Throws.TypeOf<TonException>().With.Message.Contains("gap"));
    }

    [Test]
    public void Verify_OfABlockLongAfterTheTerm_IsRefused()
    {
        TestKeyChain chain = Chain();
        byte[] answer = TestKeyChain.Answer(true, chain.Anchor, chain.Head.Id, [chain.HeadStep()]);
        Assert.That(Verify(answer, chain.Anchor).Reached, Is.EqualTo(chain.Head.Id));
        Assert.That(
            () => Verify(answer, chain.Anchor, s_options with { MaxValidatorOverrun = -TimeSpan.FromSeconds(TestValidators.Until - ProofChain.Time + 1) }),
            Throws.TypeOf<TonException>().With.Message.Contains("term"));
    }

    [Test]
    public void Verify_WithATemporarySet_CountsThatSetOnly()
    {
        TestValidators standing = new(seed: 1, count: 9, main: 7);
        TestValidators temporary = new(seed: 2, count: 5, main: 5);
        Cell key = TestBlocks.Block(TestBlocks.Header(10, isKey: true, ProofChain.Time, null), Cell.Empty, TestBlocks.Extra(standing.Config(temporary)));
        BlockId anchor = TestBlocks.IdOf(10, key);
        foreach (TestValidators validators in new[] { temporary, standing })
        {
            TestValidators.Session session = validators.SessionOf(3);
            ProofChain head = new(11, session, (s_address, ProofChain.Account(s_address, 5)));
            byte[] signatures = validators.Sign(head.Id, session, simplex: true, Enumerable.Range(0, validators.Main));
            byte[] answer = TestKeyChain.Answer(
                true, anchor, head.Id, [TestKeyChain.Forward(false, anchor, head.Id, head.HeaderProof(), TestBlocks.ConfigProof(key), signatures)]);
            Assert.That(
                () => Verify(answer, anchor),
                validators == temporary ? Throws.Nothing : Throws.TypeOf<TonException>().With.Message.Contains("another set"));
        }
    }

    [Test]
    public void Verify_OfMutatedAnswers_NeverReachesAnotherBlock()
    {
        TestKeyChain chain = new(2, simplex: true, (s_address, ProofChain.Account(s_address, 5))) { StepsPerAnswer = 16 };
        byte[] honest = chain.Serve(Query(chain.Anchor, chain.Head.Id))!;
        Random random = new(7);
        for (int i = 0; i < 3_000; i++)
        {
            byte[] bad = (byte[])honest.Clone();
            bad[random.Next(bad.Length)] ^= (byte)(1 << random.Next(8));
            try
            {
                (BlockId reached, BlockId? keyBlock) = Verify(i % 5 == 0 ? bad[..random.Next(bad.Length)] : bad, chain.Anchor);
                Assert.That((reached, keyBlock), Is.EqualTo((chain.Head.Id, (BlockId?)chain.LastKeyBlock)));
            }
            catch (TonException)
            {
            }
        }
    }

    /// <summary>Answers of a mainnet lite-server: three key blocks, and the block where the consensus changed.</summary>
    [TestCase("chain.hex", 46_894_135U, 46_920_655U)]
    [TestCase("one-link-ordinary.hex", 46_894_135U, 46_897_112U)]
    [TestCase("one-link-simplex.hex", 59_238_081U, 59_379_986U)]
    public void Verify_OfCapturedAnswers_ReachesTheirBlocks(string file, uint from, uint to)
    {
        string? path = TestPaths.Vectors is { } folder ? Path.Combine(folder, "ton", "proofs", file) : null;
        if (!File.Exists(path))
        {
            Assert.Ignore($"shared/vectors/ton/proofs/{file} is absent");
        }

        byte[] answer = Convert.FromHexString(string.Concat(File.ReadAllLines(path).Where(line => !line.StartsWith('#'))));
        TlReader reader = new(answer);
        reader.Require(TlConstructors.PartialBlockProof);
        BlockProof proof = BlockProof.Read(ref reader);
        Assert.That((proof.From.Seqno, proof.To.Seqno, reader.Remaining), Is.EqualTo((from, to, 0)));
        Assert.That(proof.Verify(proof.From, s_options).Reached, Is.EqualTo(proof.To));
    }

    [TestCase("liteServer.getBlockProof mode:# known_block:tonNode.blockIdExt target_block:mode.0?tonNode.blockIdExt = liteServer.PartialBlockProof", TlConstructors.GetBlockProof)]
    [TestCase("liteServer.partialBlockProof complete:Bool from:tonNode.blockIdExt to:tonNode.blockIdExt steps:(vector liteServer.BlockLink) = liteServer.PartialBlockProof", TlConstructors.PartialBlockProof)]
    [TestCase("liteServer.signatureSet.simplex cc_seqno:int validator_set_hash:int signatures:(vector liteServer.signature) session_id:int256 slot:int candidate:bytes = liteServer.SignatureSet", TlConstructors.SignatureSetSimplex)]
    [TestCase("ton.blockId root_cell_hash:int256 file_hash:int256 = ton.BlockId", TlConstructors.SignedBlockId)]
    [TestCase("consensus.candidateId slot:int hash:int256 = consensus.CandidateId", TlConstructors.CandidateId)]
    [TestCase("consensus.simplex.finalizeVote id:consensus.CandidateId = consensus.simplex.UnsignedVote", TlConstructors.FinalizeVote)]
    [TestCase("consensus.dataToSign session_id:int256 data:bytes = consensus.DataToSign", TlConstructors.DataToSign)]
    [TestCase("boolTrue = Bool", TlConstructors.BoolTrue)]
    [TestCase("boolFalse = Bool", TlConstructors.BoolFalse)]
    public void TlConstructor_IsTheChecksumOfItsDeclaration(string declaration, uint id) => Assert.That(Checksums.TlId(declaration), Is.EqualTo(id));

    private static byte[] Sign(TestKeyChain chain, bool simplex, int[] signers) => chain.Validators.Sign(chain.Head.Id, chain.HeadSession, simplex, signers);

    private static byte[] Query(BlockId from, BlockId to)
    {
        TlWriter query = new TlWriter().UInt32(TlConstructors.GetBlockProof).UInt32(1);
        from.Write(query);
        to.Write(query);
        return query.ToArray();
    }
}
