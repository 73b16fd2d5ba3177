using System.Text.Encodings.Web;
using System.Text.Json;

namespace Cocoon.Enclave.Inference.Output;

/// <summary>How JSON is written into prompts and arguments: letters as themselves, which is what models were trained on.</summary>
internal static class JsonText
{
    public static JsonSerializerOptions Options { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static JsonWriterOptions Writer { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
