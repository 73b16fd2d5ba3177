using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.LiteClient;
using Cocoon.Protocol.Ton.Tl;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Ton.LiteClient;

/// <summary>Lite-servers over real sockets, honest and not.</summary>
public sealed class LiteTonClientTests
{
    private static readonly TonAddress s_address = new(0, new CellHash(Enumerable.Repeat((byte)0x10, 32).ToArray()));

    private static ProofChain Chain(uint seqno = 100, ulong balance = 5) => new(seqno, (s_address, ProofChain.Account(s_address, balance)));

    private static LiteTonClient Client(int quorum, params MockLiteServer[] servers) => new(new LiteTonOptions
    {
        Servers = [.. servers.Select(server => server.Endpoint)],
        Quorum = quorum,
        QueryTimeout = TimeSpan.FromSeconds(5),
        BlockAge = TimeSpan.Zero,
    });

    [Test, CancelAfter(30_000)]
    public async Task Account_FromServersThatAgree_IsProvenUnderTheirBlock(CancellationToken cancellationToken)
    {
        await using MockLiteServer one = MockLiteServer.Of(Chain());
        await using MockLiteServer two = MockLiteServer.Of(Chain());
        await using LiteTonClient client = Client(2, one, two);
        TonAccount account = await client.GetAccountAsync(s_address, cancellationToken);
        Assert.That((account.Balance, account.Assurance, account.SyncTime), Is.EqualTo((5UL, AccountAssurance.Quorum, ProofChain.Time)));
        Assert.That(await client.GetConfigParamAsync(21, cancellationToken), Is.EqualTo(Chain().Config));
        await Assert.ThatAsync(() => client.GetConfigParamAsync(22, cancellationToken), Throws.TypeOf<TonException>());
        Assert.That((await client.GetChainTimeAsync(cancellationToken)).Seqno, Is.EqualTo(100));
        await client.SendBocAsync(new byte[] { 1, 2, 3 }, cancellationToken);
        Assert.That((one.Connections, two.Connections), Is.EqualTo((1, 1)), "connections are kept");
    }

    [Test, CancelAfter(30_000)]
    public async Task Account_WithALiarAmongThree_ComesFromTheHonest(CancellationToken cancellationToken)
    {
        await using MockLiteServer liar = MockLiteServer.Of(Chain(balance: 1_000_000));
        await using MockLiteServer one = MockLiteServer.Of(Chain());
        await using MockLiteServer two = MockLiteServer.Of(Chain());
        await using LiteTonClient client = Client(2, liar, one, two);
        Assert.That((await client.GetAccountAsync(s_address, cancellationToken)).Balance, Is.EqualTo(5));
    }

    [Test, CancelAfter(30_000)]
    public async Task Account_FromServersThatDisagree_IsRefused(CancellationToken cancellationToken)
    {
        await using MockLiteServer liar = MockLiteServer.Of(Chain(balance: 1_000_000));
        await using MockLiteServer honest = MockLiteServer.Of(Chain());
        await using LiteTonClient client = Client(2, liar, honest);
        await Assert.ThatAsync(
            () => client.GetAccountAsync(s_address, cancellationToken), Throws.TypeOf<TonException>().With.Property(nameof(TonException.Code)).EqualTo(TonErrorCode.ProofInvalid));
    }

    [Test, CancelAfter(30_000)]
    public async Task Account_WithTooFewServersUp_SaysHowMany(CancellationToken cancellationToken)
    {
        MockLiteServer down = MockLiteServer.Of(Chain());
        await using MockLiteServer up = MockLiteServer.Of(Chain());
        await using LiteTonClient client = Client(2, down, up);
        await down.DisposeAsync();
        await Assert.ThatAsync(
            () => client.GetAccountAsync(s_address, cancellationToken), Throws.TypeOf<TonException>().With.Message.Contains("1 of 2 lite-servers"));
    }

    [Test, CancelAfter(30_000)]
    public async Task Account_WithAnAnchor_IsProvenFromIt(CancellationToken cancellationToken)
    {
        TestKeyChain chain = new(5, simplex: true, (s_address, ProofChain.Account(s_address, 5)));
        Memory memory = new();
        await using MockLiteServer server = new(chain.Serve);
        LiteTonOptions options = new() { Servers = [server.Endpoint], Quorum = 1, Anchor = chain.Anchor, BlockAge = TimeSpan.Zero };
        await using (LiteTonClient client = new(options, memory: memory))
        {
            TonAccount account = await client.GetAccountAsync(s_address, cancellationToken);
            Assert.That((account.Balance, account.Assurance, chain.Proofs), Is.EqualTo((5UL, AccountAssurance.Proven, 3)));
            await client.GetAccountAsync(s_address, cancellationToken);
            Assert.That((chain.Proofs, memory.Saved), Is.EqualTo((4, (BlockId?)chain.LastKeyBlock)), "only the last step is taken again");
        }

        await using LiteTonClient later = new(options, memory: memory);
        await later.GetAccountAsync(s_address, cancellationToken);
        Assert.That(chain.Proofs, Is.EqualTo(5), "a new start goes on from the key block that was saved");
    }

    [Test, CancelAfter(30_000)]
    public async Task Account_OnAChainThatDoesNotComeFromTheAnchor_IsRefused(CancellationToken cancellationToken)
    {
        // Two servers that agree, on a chain of their own making.
        TestKeyChain ours = new(2, simplex: true, (s_address, ProofChain.Account(s_address, 5)));
        TestKeyChain theirs = new(1, simplex: true, (s_address, ProofChain.Account(s_address, 1_000_000)));
        await using MockLiteServer one = new(theirs.Serve);
        await using MockLiteServer two = new(theirs.Serve);
        await using LiteTonClient client = new(new LiteTonOptions { Servers = [one.Endpoint, two.Endpoint], Anchor = ours.LastKeyBlock });
        await Assert.ThatAsync(
            () => client.GetAccountAsync(s_address, cancellationToken), Throws.TypeOf<TonException>().With.Property(nameof(TonException.Code)).EqualTo(TonErrorCode.ProofInvalid));
    }

    [Test, CancelAfter(30_000)]
    public async Task Account_WithOneServerThatProvesNothing_IsProvenByTheOther(CancellationToken cancellationToken)
    {
        TestKeyChain chain = new(2, simplex: false, (s_address, ProofChain.Account(s_address, 5)));
        await using MockLiteServer mute = MockLiteServer.Of(chain.Head);
        await using MockLiteServer honest = new(chain.Serve);
        await using LiteTonClient client = new(new LiteTonOptions { Servers = [mute.Endpoint, honest.Endpoint], Anchor = chain.Anchor });
        Assert.That((await client.GetAccountAsync(s_address, cancellationToken)).Assurance, Is.EqualTo(AccountAssurance.Proven));
    }

    [Test, CancelAfter(30_000)]
    public async Task Server_ThatCannotBeReached_RestsBeforeItIsAskedAgain(CancellationToken cancellationToken)
    {
        ManualTimeProvider clock = new();
        await using MockLiteServer server = MockLiteServer.Of(Chain());
        await using LiteServer client = new(server.Endpoint, TimeSpan.FromSeconds(5), clock);
        Func<byte[], byte[]?> honest = server.Answer;
        server.Answer = _ => throw new IOException("broken off");
        await Assert.ThatAsync(() => client.GetLastBlockAsync(cancellationToken), Throws.TypeOf<TonException>());
        server.Answer = honest;
        await Assert.ThatAsync(() => client.GetLastBlockAsync(cancellationToken), Throws.TypeOf<TonException>().With.Message.Contains("a moment ago"));
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.That((await client.GetLastBlockAsync(cancellationToken)).Seqno, Is.EqualTo(100));
        Assert.That(server.Connections, Is.EqualTo(2));
    }

    [Test, CancelAfter(30_000)]
    public async Task Block_GoingBackwards_IsRefused(CancellationToken cancellationToken)
    {
        await using MockLiteServer server = MockLiteServer.Of(Chain(100));
        await using LiteTonClient client = Client(1, server);
        Assert.That((await client.GetAccountAsync(s_address, cancellationToken)).Assurance, Is.EqualTo(AccountAssurance.Claimed));
        ProofChain older = Chain(99);
        server.Answer = query => MockLiteServer.Serve(older, query);
        await Assert.ThatAsync(() => client.GetAccountAsync(s_address, cancellationToken), Throws.TypeOf<TonException>());
    }

    [Test, CancelAfter(30_000)]
    public async Task Server_WithAnotherKey_IsNotTalkedTo(CancellationToken cancellationToken)
    {
        await using MockLiteServer server = MockLiteServer.Of(Chain());
        using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
        await using LiteTonClient client = new(new LiteTonOptions { Servers = [server.Endpoint with { Key = other.PublicKey }], Quorum = 1 });
        await Assert.ThatAsync(() => client.GetAccountAsync(s_address, cancellationToken), Throws.TypeOf<TonException>());
    }

    [Test, CancelAfter(30_000)]
    public async Task Server_ThatSendsGarbage_IsLeft(CancellationToken cancellationToken)
    {
        foreach (byte[] greeting in new[] { new byte[100], [255, 255, 255, 127, 0, 0], [64, 0, 0, 0, .. new byte[64]] })
        {
            await using MockLiteServer server = new(query => MockLiteServer.Serve(Chain(), query)) { Greeting = greeting };
            await using LiteTonClient client = Client(1, server);
            await Assert.ThatAsync(() => client.GetAccountAsync(s_address, cancellationToken), Throws.TypeOf<TonException>());
        }
    }

    [Test, CancelAfter(30_000)]
    public async Task Answers_OfRandomBytes_AreProtocolErrors(CancellationToken cancellationToken)
    {
        Random random = new(3);
        await using MockLiteServer server = MockLiteServer.Of(Chain());
        await using LiteServer client = new(server.Endpoint, TimeSpan.FromSeconds(5), TimeProvider.System);
        BlockId block = await client.GetLastBlockAsync(cancellationToken);
        for (int i = 0; i < 200; i++)
        {
            server.Answer = query =>
            {
                byte[] answer = MockLiteServer.Serve(Chain(), query)!;
                answer[random.Next(answer.Length)] ^= (byte)(1 << random.Next(8));
                return i % 3 == 0 ? answer[..random.Next(answer.Length)] : answer;
            };
            try
            {
                AccountProof proof = await client.GetAccountStateAsync(block, s_address, cancellationToken);
                Assert.That(proof.Verify(block, s_address).Balance, Is.EqualTo(5));
            }
            catch (TonException)
            {
            }
        }

        Assert.That(server.Connections, Is.EqualTo(1), "a bad answer is not a bad connection");
    }

    [Test]
    public void Tl_Bytes_RoundTripAtEveryPadding()
    {
        foreach (int length in new[] { 0, 1, 2, 3, 4, 253, 254, 255, 256, 1000, 70_000 })
        {
            byte[] value = new byte[length];
            new Random(length).NextBytes(value);
            byte[] written = new TlWriter().Bytes(value).UInt32(7).ToArray();
            Assert.That(written.Length % 4, Is.Zero);
            TlReader reader = new(written);
            Assert.That(reader.ReadBytes().ToArray(), Is.EqualTo(value));
            Assert.That(reader.ReadUInt32(), Is.EqualTo(7));
        }
    }

    [TestCase("liteServer.lookupBlock mode:# id:tonNode.blockId lt:mode.1?long utime:mode.2?int = liteServer.BlockHeader", TlConstructors.LookupBlock)]
    [TestCase("liteServer.blockHeader id:tonNode.blockIdExt mode:# header_proof:bytes = liteServer.BlockHeader", TlConstructors.BlockHeader)]
    [TestCase("liteServer.configInfo mode:# id:tonNode.blockIdExt state_proof:bytes config_proof:bytes = liteServer.ConfigInfo", TlConstructors.ConfigInfo)]
    [TestCase("liteServer.getConfigParams mode:# id:tonNode.blockIdExt param_list:(vector int) = liteServer.ConfigInfo", TlConstructors.GetConfigParams)]
    [TestCase("liteServer.getTransactions count:# account:liteServer.accountId lt:long hash:int256 = liteServer.TransactionList", TlConstructors.GetTransactions)]
    [TestCase("liteServer.transactionList ids:(vector tonNode.blockIdExt) transactions:bytes = liteServer.TransactionList", TlConstructors.TransactionList)]
    [TestCase("liteServer.sendMsgStatus status:int = liteServer.SendMsgStatus", TlConstructors.SendMessageStatus)]
    [TestCase("liteServer.accountState id:tonNode.blockIdExt shardblk:tonNode.blockIdExt shard_proof:bytes proof:bytes state:bytes = liteServer.AccountState", TlConstructors.AccountState)]
    [TestCase("tcp.pong random_id:long = tcp.Pong", TlConstructors.TcpPong)]
    public void TlConstructor_IsTheChecksumOfItsDeclaration(string declaration, uint id) => Assert.That(Checksums.TlId(declaration), Is.EqualTo(id));

    private sealed class Memory : ITrustedBlocks
    {
        public BlockId? Saved { get; private set; }

        public BlockId? Load(BlockId anchor) => Saved;

        public void Save(BlockId anchor, BlockId keyBlock) => Saved = keyBlock;
    }
}
