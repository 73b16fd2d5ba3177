using System.Buffers.Binary;
using System.Threading.Channels;
using Cocoon.Protocol.Identity;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>Checks signatures and runs validators and handlers on a fixed number of workers behind a bounded queue.</summary>
internal sealed partial class ValidationPipeline(GossipsubCore core, GossipsubOptions options, TimeProvider time, ILogger logger)
{
    private readonly Channel<PendingMessage> _queue = Channel.CreateBounded<PendingMessage>(options.ValidationQueue);

    public void Start(TaskGroup tasks, CancellationToken cancellationToken)
    {
        for (int i = 0; i < options.ValidationWorkers; i++)
        {
            tasks.Run(() => WorkAsync(cancellationToken));
        }
    }

    public void Enqueue(List<PendingMessage> messages)
    {
        foreach (PendingMessage message in messages)
        {
            if (!_queue.Writer.TryWrite(message))
            {
                core.Throttled(message);
            }
        }
    }

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                PendingMessage pending = await _queue.Reader.ReadAsync(cancellationToken);
                bool valid = options.Verify(pending.Message);
                if (core.OnVerified(pending, valid) is { } topic)
                {
                    await JudgeAsync(pending, topic, cancellationToken);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }

    private async ValueTask JudgeAsync(PendingMessage pending, GossipTopic topic, CancellationToken cancellationToken)
    {
        GossipMessage raw = pending.Message;
        PeerId.TryFromBytes(raw.From.Span, out PeerId? from);
        TopicMessage message = new(
            raw.Topic,
            raw.Data,
            from!,
            pending.ReceivedFrom.Peer,
            BinaryPrimitives.ReadUInt64BigEndian(raw.SequenceNumber.Span),
            pending.ReceivedAt);

        ValidationResult result = await ValidateAsync(message, topic, cancellationToken);
        core.OnValidated(pending, result);
        if (result != ValidationResult.Accept)
        {
            return;
        }

        try
        {
            await topic.Handler(message, cancellationToken);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            Log.HandlerFailed(logger, topic.Name, exception);
        }
    }

    private async ValueTask<ValidationResult> ValidateAsync(TopicMessage message, GossipTopic topic, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            ValueTask<ValidationResult> validation = topic.Validator(message, limit.Token);
            if (validation.IsCompletedSuccessfully)
            {
                return validation.Result;
            }

            // The limit binds even a validator that does not look at its token; such a one is left behind.
            Task<ValidationResult> task = validation.AsTask();
            return await task.WaitAsync(options.ValidationTimeout, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            limit.Cancel();
            Log.ValidatorTimedOut(logger, topic.Name);
            return ValidationResult.Ignore;
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            Log.ValidatorFailed(logger, topic.Name, exception);
            return ValidationResult.Ignore;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(3101, LogLevel.Error, "The handler of topic {Topic} failed")]
        public static partial void HandlerFailed(ILogger logger, string topic, Exception exception);

        [LoggerMessage(3102, LogLevel.Error, "The validator of topic {Topic} failed; the message is ignored")]
        public static partial void ValidatorFailed(ILogger logger, string topic, Exception exception);

        [LoggerMessage(3103, LogLevel.Warning, "The validator of topic {Topic} took too long; the message is ignored")]
        public static partial void ValidatorTimedOut(ILogger logger, string topic);
    }
}
