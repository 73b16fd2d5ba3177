using Cocoon.Node.Payments;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions.Proto;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Payments;

/// <summary>
/// Requests side by side on one channel, whose messages overtake each other as streams let them: a client that behaves is never asked for a
/// higher voucher, every request comes to its end, and the provider never serves beyond its credit.
/// </summary>
internal sealed class ParallelSessionsTests
{
    private const ulong Step = 32;
    private static readonly CreditPolicy s_credit = new(Maximum: 500, Step);

    [Test]
    public async Task Requests_InAnyOrderOfTheirMessages_AreNeverDeclinedAndNeverStall([Range(1, 60)] int seed)
    {
        await using ClientChannelTests.Fixture fixture = new();
        Course course = new(fixture.Channel, new Random(seed));
        await course.RunAsync();
        Assert.That((fixture.Channel.Record.Due, course.Provider.Due), Is.EqualTo((course.Cost, course.Cost)), "both books, when all is over");
        Assert.That(fixture.Channel.HighestTotal - fixture.Channel.Record.Due, Is.LessThanOrEqualTo(Course.MaxLive * Step), "a step of lead for each request at a time");
    }

    /// <summary>One random course of events; the client's channel, its pacer and the provider's book are the real ones.</summary>
    private sealed class Course(ClientChannel channel, Random random)
    {
        public const int MaxLive = 12;
        private const int Requests = 40;

        private readonly List<Run> _runs = [];
        private int _begun;

        public ChannelLedger Provider { get; } = new(0, 0, capacity: 10_000);

        public ulong Cost { get; private set; }

        public async Task RunAsync()
        {
            while (_begun < Requests || _runs.Count > 0)
            {
                List<Func<Task>> possible = [.. _runs.SelectMany(Possible)];
                if (_begun < Requests && _runs.Count < MaxLive)
                {
                    possible.Add(BeginAsync);
                }

                Assert.That(possible, Is.Not.Empty, $"{_runs.Count} requests wait for each other for ever");
                await possible[random.Next(possible.Count)]();
                Assert.That(Provider.Due, Is.LessThanOrEqualTo(Provider.Paid + s_credit.For(Provider.Paid)));
            }
        }

        private IEnumerable<Func<Task>> Possible(Run run)
        {
            if (run.ToProvider.Count > 0)
            {
                yield return () => DeliverAsync(run);
            }

            if (run.IsAsked && !run.IsLive && !run.IsFinal)
            {
                yield return () => ReserveAsync(run);
            }

            if (run.IsLive && !run.IsFinal && Provider.GrantFor(run.Id) > run.Served)
            {
                yield return () => ServeAsync(run);
            }

            if (run.ToClient.Count > 0)
            {
                yield return () => HearAsync(run);
            }

            if (run.IsFinal && run.IsPaid && run.IsLive)
            {
                yield return () => EndAsync(run);
            }
        }

        private async Task BeginAsync()
        {
            ulong cost = (ulong)random.Next(1, 5 * (int)Step);
            Run run = new(channel.BeginSession(new SessionId((UInt128)(++_begun)), ahead: Step), cost, new PaymentPacer(Step, cost + (ulong)random.Next(0, 3 * (int)Step)));
            _runs.Add(run);
            run.ToProvider.Enqueue(await run.Paying.VouchAsync(run.Pacer.First(), CancellationToken.None));
        }

        private Task DeliverAsync(Run run)
        {
            VoucherMessage message = run.ToProvider.Dequeue();
            VoucherStatement.TryDecode(message.Statement.Span, out VoucherStatement statement);
            Provider.Apply(statement.Total, message.ReadAllocations());
            run.Named = message.ReadAllocations().Single(a => a.Session == run.Id).NanoTon;
            run.IsAsked = true;
            run.IsPaid = run.IsFinal && run.Named >= run.Served;
            return Task.CompletedTask;
        }

        private Task ReserveAsync(Run run)
        {
            Assert.That(Provider.TryReserve(run.Id, s_credit, run.Named), Is.EqualTo(DeclineReason.DeclineUnspecified), $"request {run.Id}");
            run.IsLive = true;
            return Task.CompletedTask;
        }

        private Task ServeAsync(Run run)
        {
            run.Served = Math.Min(Math.Min(run.Cost, Provider.GrantFor(run.Id)), run.Served + (ulong)random.Next(1, (int)Step));
            if (run.Served == run.Cost)
            {
                run.IsFinal = true;
                Provider.ReportFinalDue(run.Id, run.Served);
                run.IsPaid = run.Named >= run.Served;
            }
            else
            {
                Provider.ReportDue(run.Id, run.Served);
            }

            run.ToClient.Enqueue((run.Served, run.IsFinal ? Word.Finished : Word.Due));
            return Task.CompletedTask;
        }

        private async Task HearAsync(Run run)
        {
            (ulong due, Word word) = run.ToClient.Dequeue();
            if (word == Word.Settled)
            {
                await run.Paying.EndAsync(due, CancellationToken.None);
                _runs.Remove(run);
                Cost += due;
                return;
            }

            Assert.That(run.Pacer.Observe(due), Is.True);
            run.Paying.Observe(due);
            if (word == Word.Finished)
            {
                run.ToProvider.Enqueue(await run.Paying.VouchAsync(run.Pacer.Final(due), CancellationToken.None));
            }
            else if (run.Pacer.NextFast() is { } allocation)
            {
                run.ToProvider.Enqueue(await run.Paying.VouchAsync(allocation, CancellationToken.None));
            }
        }

        private Task EndAsync(Run run)
        {
            Provider.End(run.Id, run.Served);
            run.IsLive = false;
            run.ToClient.Enqueue((run.Served, Word.Settled));
            return Task.CompletedTask;
        }
    }

    private enum Word
    {
        Due,
        Finished,
        Settled,
    }

    private sealed class Run(ClientSession paying, ulong cost, PaymentPacer pacer)
    {
        public ClientSession Paying { get; } = paying;

        public ulong Cost { get; } = cost;

        public PaymentPacer Pacer { get; } = pacer;

        public SessionId Id => Paying.Id;

        public Queue<VoucherMessage> ToProvider { get; } = [];

        public Queue<(ulong Due, Word Word)> ToClient { get; } = [];

        public ulong Named { get; set; }

        public ulong Served { get; set; }

        public bool IsAsked { get; set; }

        public bool IsLive { get; set; }

        public bool IsFinal { get; set; }

        public bool IsPaid { get; set; }
    }
}
