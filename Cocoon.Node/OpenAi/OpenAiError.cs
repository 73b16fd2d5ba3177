using System.Text.Json;
using Cocoon.Node.Sessions;

namespace Cocoon.Node.OpenAi;

/// <summary>The OpenAI error object and its HTTP status. The one place where failures become HTTP.</summary>
internal sealed record OpenAiError(int Status, string Type, string? Code, string? Param, string Message, TimeSpan? RetryAfter = null)
{
    /// <summary>For a provider that is full and does not say for how long.</summary>
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(1);

    public static OpenAiError BadRequest(string message, string? param = null, string code = "invalid_request") =>
        new(StatusCodes.Status400BadRequest, "invalid_request_error", code, param, message);

    public static OpenAiError From(InferenceException exception)
    {
        (int status, string type, string code) = exception.Failure switch
        {
            InferenceFailure.InvalidRequest => (400, "invalid_request_error", "invalid_request"),
            InferenceFailure.ModelNotFound => (404, "invalid_request_error", "model_not_found"),
            InferenceFailure.NoOffer => (503, "server_error", "no_offer"),
            InferenceFailure.NoRelay => (503, "server_error", "no_relay"),
            InferenceFailure.TierRefused => (403, "invalid_request_error", "tier_refused"),
            InferenceFailure.AttestationRefused => (502, "server_error", "attestation_refused"),
            InferenceFailure.NoFunds => (402, "insufficient_quota", "no_funds"),
            InferenceFailure.SpendLimit => (402, "insufficient_quota", "spend_limit"),
            InferenceFailure.ChainUnavailable => (503, "server_error", "chain_unavailable"),
            InferenceFailure.Declined => (503, "server_error", "declined"),
            InferenceFailure.Overloaded => (429, "rate_limit_error", "rate_limit_exceeded"),
            InferenceFailure.ProviderLost => (502, "server_error", "provider_lost"),
            InferenceFailure.Truncated => (502, "server_error", "truncated"),
            InferenceFailure.Overcharged => (502, "server_error", "overcharged"),
            InferenceFailure.TimedOut => (504, "server_error", "timeout"),
            _ => (500, "server_error", "server_error"),
        };
        string message = $"{exception.What}: {exception.Why.TrimEnd('.')}. {exception.Fix}";
        if (exception.AtRiskNanoton is ulong risk)
        {
            message += $" At risk: {risk} nanoTON.";
        }

        return new OpenAiError(
            exception.HttpStatus == 0 ? status : exception.HttpStatus,
            exception.Type ?? type,
            exception.Code ?? code,
            exception.Param,
            message,
            exception.RetryAfter ?? (exception.Failure == InferenceFailure.Overloaded || exception.HttpStatus == StatusCodes.Status429TooManyRequests ? s_retry : null));
    }

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteStartObject("error");
        json.WriteString("message", Message);
        json.WriteString("type", Type);
        json.WriteString("param", Param);
        json.WriteString("code", Code);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>Writes status, <c>Retry-After</c> and body; nothing of the response may have been sent yet.</summary>
    public async Task WriteAsync(HttpResponse response, CancellationToken cancellationToken)
    {
        response.StatusCode = Status;
        response.ContentType = "application/json";
        if (RetryAfter is { } wait)
        {
            response.Headers.RetryAfter = Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds)).ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        await using Utf8JsonWriter json = new(response.BodyWriter);
        Write(json);
        await json.FlushAsync(cancellationToken);
    }
}
