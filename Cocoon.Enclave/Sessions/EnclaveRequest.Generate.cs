using Cocoon.Enclave.Inference;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Enclave.Sessions;

internal sealed partial class EnclaveRequest
{
    /// <summary>Runs the engine and posts everything up to the end of the answer. Returns the outcome's word.</summary>
    private async Task<string> GenerateAsync(AnswerSender sender, AnswerState state, CancellationToken shutdown)
    {
        using CancellationTokenSource cancel = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, shutdown);
        using ITimer parkTimer = _context.Time.CreateTimer(_ => Stop(StopReason.Unpaid), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        bool isParked = false;
        try
        {
            await using IAsyncEnumerator<GenerationEvent> events = RunEngine(cancel.Token).GetAsyncEnumerator(cancel.Token);
            while (true)
            {
                ValueTask<bool> next = events.MoveNextAsync();
                if (!next.IsCompleted)
                {
                    try
                    {
                        await sender.FlushAsync(shutdown);
                    }
                    catch
                    {
                        // An iterator may be disposed of between its steps only.
                        await _stop.CancelAsync();
                        await ((Task)next.AsTask()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                        throw;
                    }
                }

                if (!await next)
                {
                    break;
                }

                if (isParked)
                {
                    parkTimer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                    isParked = false;
                }

                if (events.Current is GenerationEvent.Parked parked)
                {
                    if (_gate.IsExhausted)
                    {
                        Stop(StopReason.OverBudget);
                        continue;
                    }

                    TokenCounts wanted = new((uint)parked.PromptTokens, (uint)parked.CachedTokens, (uint)parked.CompletionTokens);
                    await sender.BlockAsync(state.Used, wanted, shutdown);

                    // The time to pay begins when the sender knows what for.
                    parkTimer.Change(ParkTimeout(_opened.Header.Shape), Timeout.InfiniteTimeSpan);
                    isParked = true;
                }
                else if (state.Apply(events.Current) is { } answer)
                {
                    await sender.PostAsync(answer, state.Used, shutdown);
                }
            }

            await sender.PostAsync(new AnswerEvent { Finished = state.Finish("stop") }, state.Used, shutdown);
            return "finished";
        }
        catch (OperationCanceledException) when (!shutdown.IsCancellationRequested)
        {
            return await EndStoppedAsync(sender, state, shutdown);
        }
        catch (OpenAiRequestException e)
        {
            return await FailAsync(sender, state, new Failed { HttpStatus = (uint)e.Status, Type = e.Type, Code = e.Code, Param = e.Param ?? "", Message = e.Message }, shutdown);
        }
        catch (EngineException e)
        {
            bool isRetryable = e.Code is EngineErrorCode.Overloaded or EngineErrorCode.Unavailable or EngineErrorCode.Internal or EngineErrorCode.OutOfMemory;
            string type = e.HttpStatus switch { 400 or 404 => "invalid_request_error", 429 => "rate_limit_error", _ => "server_error" };
            return await FailAsync(sender, state, new Failed { HttpStatus = (uint)e.HttpStatus, Type = type, Code = e.Word, Message = e.Message, Retryable = isRetryable }, shutdown);
        }
        catch (Exception e) when (e is not (OperationCanceledException or IOException))
        {
            // Edge of the session: the type is all that may be said, a message could quote the prompt.
            Log.SessionFailed(_context.Logger, e.GetType().Name);
            return await FailAsync(sender, state, new Failed { HttpStatus = 500, Type = "server_error", Code = "server_error", Message = "The enclave failed.", Retryable = true }, shutdown);
        }
    }

    private async Task<string> EndStoppedAsync(AnswerSender sender, AnswerState state, CancellationToken shutdown)
    {
        switch (_stopReason)
        {
            case StopReason.Closed:
                return "cancelled";
            case StopReason.Unpaid:
                return await FailAsync(
                    sender, state, new Failed { HttpStatus = 402, Type = "payment_error", Code = "unpaid", Message = "No voucher came for the next step.", Retryable = true }, shutdown, "unpaid");
            case StopReason.OverBudget when !state.HasContent:
                return await FailAsync(
                    sender, state, new Failed { HttpStatus = 402, Type = "payment_error", Code = "max_due_exceeded", Message = "The prompt costs more than the request allows." }, shutdown);
            case StopReason.OverBudget:
                await sender.PostAsync(new AnswerEvent { Finished = state.Finish("length") }, state.Used, shutdown);
                return "finished";
            default:
                await sender.PostAsync(new AnswerEvent { Finished = state.Finish("stop") }, state.Used, shutdown);
                return "cancelled";
        }
    }

    private static async Task<string> FailAsync(
        AnswerSender sender, AnswerState state, Failed failed, CancellationToken shutdown, string outcome = "failed")
    {
        failed.DueNanoton = state.Due;
        await sender.PostAsync(new AnswerEvent { Failed = failed }, state.Used, shutdown);
        return outcome;
    }

    private IAsyncEnumerable<GenerationEvent> RunEngine(CancellationToken cancellationToken) =>
        _opened.Request.Endpoint == SealedRequest.Types.Endpoint.Embeddings
            ? _context.Engine.EmbedAsync(
                EmbeddingRequestReader.Read(_opened.Request.Body.Memory, _context.Engine.Info.Capabilities) with { Gate = _gate }, cancellationToken)
            : _context.Engine.GenerateAsync(ReadRequest(), cancellationToken);

    private GenerationRequest ReadRequest()
    {
        TenantKey tenant = TenantKeys.Derive(_context.Identity, _opened.Request.TenantSecret.Span);
        GenerationRequest request = _opened.Request.Endpoint switch
        {
            SealedRequest.Types.Endpoint.ChatCompletions =>
                OpenAiRequestReader.ReadChat(_opened.Request.Body.Memory, tenant, _context.Engine.Info.Capabilities),
            SealedRequest.Types.Endpoint.Completions => 
                OpenAiRequestReader.ReadCompletion(_opened.Request.Body.Memory, tenant, _context.Engine.Info.Capabilities),
            _ => throw new OpenAiRequestException("This endpoint is not served.", code: "unsupported_endpoint", status: 404),
        };
        request = _opened.Request.Resume is { } resume ? ResumedAnswer.Apply(request, resume) : request;
        uint ceiling = _opening.Quote.MaxOutputTokens == 0
            ? _opened.Header.OutputBucket
            : Math.Min(_opened.Header.OutputBucket, _opening.Quote.MaxOutputTokens);
        return request with
        {
            Gate = _gate,
            Cache = _opened.Request.TenantSecret.IsEmpty ? CachePolicy.None : CachePolicy.Tenant,
            MaxTokens = (int)Math.Min((uint)(request.MaxTokens ?? int.MaxValue), Math.Min(ceiling, int.MaxValue)),
        };
    }

    // In the paced shapes the host hears of it at the next block's edge.
    private static TimeSpan ParkTimeout(Shape shape) =>
        shape == Shape.Fast ? EnclaveSessionContext.PaymentWait : EnclaveSessionContext.PaymentWait + ResponseShape.Block;
}
