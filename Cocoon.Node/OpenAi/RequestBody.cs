using System.Buffers;
using System.IO.Pipelines;

namespace Cocoon.Node.OpenAi;

/// <summary>Reads a bounded JSON body; asking for the JSON content type keeps web pages from spending the user's money with a plain form post.</summary>
internal static class RequestBody
{
    public static async Task<(OpenAiError? Error, ReadOnlyMemory<byte> Body)> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        if (!request.HasJsonContentType())
        {
            return (new OpenAiError(StatusCodes.Status415UnsupportedMediaType, "invalid_request_error", "unsupported_media_type", null,
                "Send the body with 'Content-Type: application/json'."), default);
        }

        if (request.ContentLength > AskRequest.MaxBodyBytes)
        {
            return (TooLarge(), default);
        }

        while (true)
        {
            ReadResult result = await request.BodyReader.ReadAsync(cancellationToken);
            if (result.Buffer.Length > AskRequest.MaxBodyBytes)
            {
                return (TooLarge(), default);
            }

            if (result.IsCompleted)
            {
                byte[] body = result.Buffer.ToArray();
                request.BodyReader.AdvanceTo(result.Buffer.End);
                return (null, body);
            }

            request.BodyReader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    private static OpenAiError TooLarge() => new(
        StatusCodes.Status413PayloadTooLarge, "invalid_request_error", "request_too_large", null, $"The body is larger than {AskRequest.MaxBodyBytes} bytes.");
}
