namespace Cocoon.Enclave.Sessions;

/// <summary>A request that OpenAI would answer with an error envelope. The message names fields, never their content.</summary>
internal sealed class OpenAiRequestException(string message, string? param = null, string code = "invalid_request", int status = 400)
    : Exception(message)
{
    public int Status { get; } = status;

    public string Type => Status switch
    {
        400 or 404 => "invalid_request_error",
        402 => "payment_error",
        429 => "rate_limit_error",
        _ => "server_error",
    };

    public string Code { get; } = code;

    public string? Param { get; } = param;
}
