using Cocoon.Node.EventStreams;
using Cocoon.Node.Sessions;

namespace Cocoon.Node.OpenAi;

/// <summary>What every endpoint needs to turn a request into an answer.</summary>
internal sealed record AskServices(IInferenceClient Client, ApiKeyGate Gate, ClientDefaults Defaults, TimeProvider Time, ILogger<AskServices> Logger);

/// <summary>An endpoint that asks a model: who may, what the body says, and every failure in OpenAI's form. Derived classes know one body and one answer.</summary>
internal abstract partial class AskEndpoint<TRequest>(AskServices services)
    where TRequest : class
{
    /// <summary>Between two signs of life while a long prompt is worked on (an SSE comment).</summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(15);

    protected IInferenceClient Client => services.Client;

    protected ClientDefaults Defaults => services.Defaults;

    protected TimeProvider Time => services.Time;

    public async Task HandleAsync(HttpContext context)
    {
        CancellationToken cancellationToken = context.RequestAborted;
        try
        {
            (OpenAiError? error, ApiCaller? caller) = services.Gate.Admit(context);
            ReadOnlyMemory<byte> body = default;
            if (error is null)
            {
                (error, body) = await RequestBody.ReadAsync(context.Request, cancellationToken);
            }

            TRequest? request = null;
            error ??= Read(body, caller!, out request);
            if (error is not null)
            {
                await error.WriteAsync(context.Response, cancellationToken);
                return;
            }

            await AnswerAsync(context, request!, caller!, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            Log.ClientLeft(services.Logger);
        }
        catch (BadHttpRequestException)
        {
            // A body that ended early or came too slowly: nobody is left to be told.
            Log.ClientLeft(services.Logger);
        }
        catch (InferenceException exception)
        {
            Log.Failed(services.Logger, exception.Failure);
            await WriteFailureAsync(context, OpenAiError.From(exception), cancellationToken);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            // Edge of the request: whatever it is, the application gets an answer in the form that it knows. A message could quote the prompt.
            Log.Broke(services.Logger, exception.GetType().Name);
            OpenAiError error = new(StatusCodes.Status500InternalServerError, "server_error", "server_error", null, "The light client failed on this request; its log names the kind of failure.");
            await WriteFailureAsync(context, error, cancellationToken);
        }
    }

    protected abstract OpenAiError? Read(ReadOnlyMemory<byte> body, ApiCaller caller, out TRequest? request);

    protected abstract Task AnswerAsync(HttpContext context, TRequest request, ApiCaller caller, CancellationToken cancellationToken);

    /// <summary>Before the first byte an error has its status; after it, one error event and the end without <c>[DONE]</c>.</summary>
    protected virtual async Task WriteFailureAsync(HttpContext context, OpenAiError error, CancellationToken cancellationToken)
    {
        if (!context.Response.HasStarted)
        {
            context.Response.Headers.Remove("Cache-Control");
            await error.WriteAsync(context.Response, cancellationToken);
            return;
        }

        using ServerSentEvents events = new(context.Response.BodyWriter, Time);
        events.Write(error.Write);
        await events.FlushAsync(cancellationToken);
    }

    /// <summary>The answer as it comes; between parts that keep it waiting, a comment that keeps the connection alive.</summary>
    protected async IAsyncEnumerable<AnswerPart> StreamAsync(
        HttpContext context, Ask ask, ServerSentEvents events, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using PendingItems<AnswerPart> parts = new(leaving => Client.AskAsync(ask, leaving), cancellationToken);
        bool begun = false;
        while (await parts.MoveNextAsync(begun ? s_pause : Timeout.InfiniteTimeSpan, Time, cancellationToken) is var more && more != false)
        {
            if (more is null)
            {
                ServerSentEvents.Start(context.Response);
                events.WritePing();
                await events.FlushAsync(cancellationToken);
                continue;
            }

            switch (parts.Current)
            {
                case AnswerPart.Opened opened:
                    AnswerHeaders.Set(context.Response, opened.Source);
                    break;
                case AnswerPart.Begun:
                    begun = true;
                    ServerSentEvents.Start(context.Response);
                    break;
            }

            yield return parts.Current;
        }
    }

    /// <summary>The whole answer.</summary>
    protected async Task<WholeAnswer> CollectAsync(HttpContext context, Ask ask, CancellationToken cancellationToken)
    {
        WholeAnswer answer = new();
        await foreach (AnswerPart part in Client.AskAsync(ask, cancellationToken))
        {
            if (part is AnswerPart.Opened opened)
            {
                AnswerHeaders.Set(context.Response, opened.Source);
            }

            answer.Add(part);
        }

        return answer;
    }

    private static partial class Log
    {
        [LoggerMessage(2401, LogLevel.Debug, "The application left before its answer was complete")]
        public static partial void ClientLeft(ILogger logger);

        [LoggerMessage(2402, LogLevel.Debug, "A request failed: {Failure}")]
        public static partial void Failed(ILogger logger, InferenceFailure failure);

        [LoggerMessage(2403, LogLevel.Error, "A request broke with {Exception}")]
        public static partial void Broke(ILogger logger, string exception);
    }
}
