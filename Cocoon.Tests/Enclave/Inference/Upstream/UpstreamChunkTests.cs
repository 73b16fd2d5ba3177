using System.Text;
using System.Text.Json;
using Cocoon.Enclave.Inference.Upstream;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference.Upstream;

/// <summary>Events that no server should send.</summary>
public sealed class UpstreamChunkTests
{
    [TestCase("""{"choices":[3]}""")]
    [TestCase("""{"choices":[{"delta":{"content":"\ud83d"}}]}""", Description = "half a surrogate pair: a server that cuts characters in two")]
    [TestCase("""{"choices":[{"delta":{"tool_calls":[{}]}}]}""")]
    [TestCase("""{"choices":[{"logprobs":{"content":[1]}}]}""")]
    [TestCase("""{"choices":[{"logprobs":{"content":[{"token":"a","bytes":["x"]}]}}]}""")]
    [TestCase("""{"choices":[{"logprobs":{"content":[{"token":"a","bytes":[999]}]}}]}""")]
    [TestCase("""{"choices":[{"logprobs":{"content":[{"token":"a","top_logprobs":[null]}]}}]}""")]
    [TestCase("[]")]
    [TestCase("{")]
    public void Read_EventOfAnotherShape_IsTheOneError(string json) =>
        Assert.That(() => UpstreamChunk.Read(Encoding.UTF8.GetBytes(json)), Throws.InstanceOf<JsonException>());

    [TestCase("""{"usage":{"prompt_tokens":-1,"completion_tokens":1e30}}""")]
    [TestCase("""{"choices":null,"usage":"none","error":null}""")]
    [TestCase("""{"choices":[{"index":-4,"delta":{"content":7},"finish_reason":[]}]}""")]
    public void Read_ValuesThatMeanNothing_CountForNothing(string json)
    {
        UpstreamChunk chunk = UpstreamChunk.Read(Encoding.UTF8.GetBytes(json));
        Assert.That((chunk.IsError, chunk.Usage?.Prompt ?? 0, chunk.Usage?.Completion ?? 0), Is.EqualTo((false, 0, 0)));
        Assert.That(chunk.Choices, Has.All.Matches<UpstreamChoice>(c => c is { Index: 0, Text: "", FinishReason: null }));
    }
}
