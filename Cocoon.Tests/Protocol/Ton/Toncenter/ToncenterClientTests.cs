using System.Net;
using System.Text;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Toncenter;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Ton.Toncenter;

/// <summary>Servers that are slow, down, rude, verbose or lying.</summary>
public sealed class ToncenterClientTests
{
    private const string GoodAccount = """
        {"ok":true,"result":{"@type":"raw.fullAccountState","balance":"12345678901","code":"","data":"","last_transaction_id":{"lt":"0","hash":""},"block_id":{"seqno":7},"sync_utime":1800000000,"state":"uninitialized"}}
        """;

    private const string GoodMethod = """{"ok":true,"result":{"exit_code":7,"stack":[],"gas_used":1}}""";

    private static readonly TonAddress s_address = new(0, default);

    private static ToncenterClient Client(Handler handler, params string[] hosts) => Client(handler, new ToncenterOptions
    {
        Endpoints = [.. hosts.Select(host => new ToncenterEndpoint(new Uri($"http://{host}/api/v2/"), host == "keyed" ? "secret" : null))],
        FirstBackOff = TimeSpan.Zero,
        MaxResponseBytes = 100_000,
        RequestTimeout = TimeSpan.FromMilliseconds(200),
    });

    private static ToncenterClient Client(Handler handler, ToncenterOptions options) => new(new HttpClient(handler), options);

    [Test]
    public async Task Account_FromAGoodServer_IsReadWithoutLosingDigits()
    {
        using Handler handler = new((_, _) => Handler.Json(200, GoodAccount));
        TonAccount account = await Client(handler, "keyed").GetAccountAsync(s_address, default);
        Assert.That((account.Balance, account.SyncTime, account.Seqno, account.Status), Is.EqualTo((12_345_678_901UL, 1_800_000_000U, 7U, AccountStatus.Uninitialized)));
        Assert.That(account.Assurance, Is.EqualTo(AccountAssurance.Claimed));
        Assert.That(handler.Requests[0].Key, Is.EqualTo("secret"));
        Assert.That(handler.Requests[0].Url, Is.EqualTo("http://keyed/api/v2/jsonRPC"));
    }

    [Test]
    public async Task Account_WithTwoHostsThatAgree_IsAgreedOn()
    {
        string later = GoodAccount.Replace("1800000000", "1800000005", StringComparison.Ordinal);
        using Handler handler = new((host, _) => Handler.Json(200, host == "one" ? later : GoodAccount));
        ToncenterClient client = Client(handler, "one", "two");
        TonAccount account = await client.GetAccountAsync(s_address, default);
        Assert.That((account.Assurance, account.SyncTime, client.Assurance), Is.EqualTo((AccountAssurance.Quorum, 1_800_000_000U, AccountAssurance.Quorum)));
    }

    [Test]
    public async Task Account_WithALiarOrASilentHostAmongThree_IsWhatTwoSay()
    {
        string rich = GoodAccount.Replace("12345678901", "99999999999", StringComparison.Ordinal);
        foreach (string bad in new[] { rich, """{"ok":true,"result":[]}""", "no json" })
        {
            using Handler handler = new((host, _) => Handler.Json(200, host == "bad" ? bad : GoodAccount));
            TonAccount account = await Client(handler, "bad", "two", "three").GetAccountAsync(s_address, default);
            Assert.That((account.Balance, account.Assurance), Is.EqualTo((12_345_678_901UL, AccountAssurance.Quorum)), bad);
        }
    }

    [Test]
    public async Task Account_WithHostsThatDisagree_IsOnlyClaimed()
    {
        string rich = GoodAccount.Replace("12345678901", "99999999999", StringComparison.Ordinal);
        using Handler handler = new((host, _) => Handler.Json(200, host == "one" ? rich : GoodAccount));
        Assert.That((await Client(handler, "one", "two").GetAccountAsync(s_address, default)).Assurance, Is.EqualTo(AccountAssurance.Claimed));
    }

    [Test]
    public async Task Account_FromOneHostNamedTwice_IsOnlyClaimed()
    {
        using Handler handler = new((_, _) => Handler.Json(200, GoodAccount));
        Assert.That((await Client(handler, "same", "same").GetAccountAsync(s_address, default)).Assurance, Is.EqualTo(AccountAssurance.Claimed));
        Assert.That(handler.Requests, Has.Count.EqualTo(1));
    }

    [TestCase(429, """{"ok":false,"error":"Ratelimit exceed","code":429}""")]
    [TestCase(502, "<html>bad gateway</html>")]
    [TestCase(200, "{}")]
    [TestCase(200, "not json")]
    [TestCase(500, """{"ok":false,"error":"LITE_SERVER_NOTREADY: block is not applied","code":500}""")]
    [TestCase(401, """{"ok":false,"error":"API key does not exist","code":401}""")]
    public async Task Call_WhenTheFirstServerFails_GoesToTheNext(int status, string body)
    {
        using Handler handler = new((host, _) => host == "bad" ? Handler.Json(status, body) : Handler.Json(200, GoodMethod));
        ToncenterClient client = Client(handler, "bad", "good");
        Assert.That((await client.RunGetMethodAsync(s_address, "x", [], default)).ExitCode, Is.EqualTo(7));
        int before = handler.Requests.Count;
        await client.RunGetMethodAsync(s_address, "x", [], default);
        Assert.That(handler.Requests, Has.Count.EqualTo(before + 1), "the one that works is asked first from now on");
    }

    [TestCase(429, """{"ok":false,"error":"Ratelimit exceed","code":429}""", "RateLimited", 4)]
    [TestCase(503, "down", "Unreachable", 4)]
    [TestCase(500, """{"ok":false,"error":"LITE_SERVER_UNKNOWN: block not found","code":500}""", "Refused", 1)]
    [TestCase(200, """{"ok":true,"result":{"balance":"-1"}}""", "Malformed", 1)]
    [TestCase(200, """{"ok":true,"result":[]}""", "Malformed", 1)]
    public async Task Call_WhenAllFail_ThrowsTheKindOfFailure(int status, string body, string code, int attempts)
    {
        using Handler handler = new((_, _) => Handler.Json(status, body));
        TonException fault = (await Assert.ThrowsAsync<TonException>(() => Client(handler, "only").GetAccountAsync(s_address, default)))!;
        Assert.That(fault.Code.ToString(), Is.EqualTo(code), fault.Message);
        Assert.That(handler.Requests, Has.Count.EqualTo(attempts));
    }

    [Test]
    public async Task Call_ToAServerThatNeverAnswers_EndsInTime()
    {
        using Handler handler = new((_, token) => Task.Delay(Timeout.Infinite, token).ContinueWith<HttpResponseMessage>(_ => throw new OperationCanceledException(token), TaskScheduler.Default));
        TonException fault = (await Assert.ThrowsAsync<TonException>(() => Client(handler, "slow").GetAccountAsync(s_address, default)))!;
        Assert.That(fault.Code, Is.EqualTo(TonErrorCode.Unreachable));
    }

    [Test]
    public async Task Call_CancelledByItsCaller_IsCancelledNotFailed()
    {
        using CancellationTokenSource cancel = new();
        using Handler handler = new((_, token) =>
        {
            cancel.Cancel();
            token.ThrowIfCancellationRequested();
            return Handler.Json(200, GoodAccount);
        });
        await Assert.CatchAsync<OperationCanceledException>(() => Client(handler, "any").GetAccountAsync(s_address, cancel.Token));
    }

    [Test]
    public async Task Answer_LongerThanTheLimit_IsNotReadToItsEnd()
    {
        using Handler handler = new((_, _) => Handler.Json(200, new string(' ', 200_000)));
        TonException fault = (await Assert.ThrowsAsync<TonException>(() => Client(handler, "verbose").GetAccountAsync(s_address, default)))!;
        Assert.That(fault.Code, Is.EqualTo(TonErrorCode.LimitExceeded));
    }

    [Test]
    public async Task Send_RefusedByTheAccount_SaysTheExitCode()
    {
        const string error = """{"ok":false,"error":"LITE_SERVER_UNKNOWN: cannot apply external message to current state : External message was not accepted\nCannot run message on account: inbound external message rejected by transaction: exitcode=133, steps=9","code":500}""";
        using Handler handler = new((_, _) => Handler.Json(500, error));
        TonException fault = (await Assert.ThrowsAsync<TonException>(() => Client(handler, "one", "two").SendBocAsync(new byte[] { 1 }, default)))!;
        Assert.That((fault.Code, fault.ExitCode), Is.EqualTo((TonErrorCode.NotAccepted, (int?)133)));
    }

    [Test]
    public async Task Send_WithOneServerDown_IsSent()
    {
        using Handler handler = new((host, _) => host == "down" ? Handler.Json(503, "") : Handler.Json(200, """{"ok":true,"result":{"@type":"ok"}}"""));
        await Client(handler, "down", "up").SendBocAsync(new byte[] { 1 }, default);
        Assert.That(handler.Requests.Select(request => new Uri(request.Url).Host), Is.EquivalentTo(new[] { "down", "up" }), "all are told");
    }

    [Test]
    public async Task Answers_OfRandomShape_AreProtocolErrors()
    {
        string[] shapes = ["null", "1", "\"x\"", "[]", "{}", "[[]]", "true", "[{}]", """{"state":5}""", """[["num","0x"]]""", """{"stack":[["tuple",{"elements":[{}]}]],"exit_code":0}"""];
        foreach (string shape in shapes)
        {
            using Handler handler = new((_, _) => Handler.Json(200, $$"""{"ok":true,"result":{{shape}}}"""));
            ToncenterClient client = Client(handler, "odd");
            await Assert.ThrowsAsync<TonException>(() => client.GetAccountAsync(s_address, default), shape);
            await Assert.ThrowsAsync<TonException>(() => client.RunGetMethodAsync(s_address, "x", [], default), shape);
            await Assert.ThrowsAsync<TonException>(() => client.GetConfigParamAsync(1, default), shape);
            if (shape != "[]")
            {
                await Assert.ThrowsAsync<TonException>(() => client.GetTransactionsAsync(s_address, 1, null, default), shape);
            }
        }
    }

    private sealed class Handler(Func<string, CancellationToken, Task<HttpResponseMessage>> answer) : HttpMessageHandler
    {
        public List<(string Url, string? Key)> Requests { get; } = [];

        public static Task<HttpResponseMessage> Json(int status, string body) =>
            Task.FromResult(new HttpResponseMessage((HttpStatusCode)status) { Content = new StringContent(body, Encoding.UTF8, "application/json") });

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            lock (Requests)
            {
                Requests.Add((request.RequestUri!.ToString(), request.Headers.TryGetValues("X-API-Key", out IEnumerable<string>? keys) ? keys.First() : null));
            }

            return answer(request.RequestUri.Host, cancellationToken);
        }
    }
}
