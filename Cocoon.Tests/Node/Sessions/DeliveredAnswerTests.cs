using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Sessions;

/// <summary>What can go on elsewhere after a provider is lost, and the request that asks for it.</summary>
public sealed class DeliveredAnswerTests
{
    private static readonly AnswerSource s_source = new("12D3KooWone", "open", "simulated", "m", new string('a', 64), "claimed", "EQone", "fast");

    [Test]
    public void Continue_AsksForTheRestOnly()
    {
        Ask ask = Ask("""{"model":"m","messages":[{}],"max_tokens":10}""", 10);
        DeliveredAnswer delivered = new(ask);
        delivered.Begin(new AnswerPart.Begun(7, 3));
        delivered.Add(new Delta { Text = "Hello ", TokenIds = { 1, 2 } });
        delivered.Add(new Delta { Text = "wörld", TokenIds = { 3 } });
        Assert.That((delivered.IsEmpty, delivered.CanGoOn, delivered.IsWhole), Is.EqualTo((false, true, false)));
        delivered.End(new AnswerSegment(s_source, 7, delivered.TokensOfLast, 5, 0, null, "provider_lost"));
        Ask rest = delivered.Continue();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(rest.MaxTokens, Is.EqualTo(7));
            Assert.That((int)JsonNode.Parse(rest.Body.Span)!["max_tokens"]!, Is.EqualTo(7));
            Assert.That(rest.Resume!.DeliveredText.ToStringUtf8(), Is.EqualTo("Hello wörld"));
            Assert.That(rest.Resume.DeliveredTextDigest.ToByteArray(), Is.EqualTo(SHA256.HashData("Hello wörld"u8)));
            Assert.That(rest.Resume.Segment, Is.EqualTo(1));
            Assert.That(RequestBound.PromptTokens(rest), Is.GreaterThan(RequestBound.PromptTokens(ask)), "the delivered text is read once more");
        }

        Usage whole = delivered.Whole(new Finished { Usage = new Usage { PromptTokens = 12, CompletionTokens = 4 } }).Usage;
        Assert.That((whole.PromptTokens, whole.CachedTokens, whole.CompletionTokens), Is.EqualTo((7u, 3u, 7u)), "the prompt once, every token of the answer once");
    }

    [TestCase("""{"messages":[{}]}""", true)]
    [TestCase("""{"messages":[{}],"response_format":{"type":"text"},"tool_choice":"auto"}""", true)]
    [TestCase("""{"messages":[{}],"response_format":{"type":"json_object"}}""", false)]
    [TestCase("""{"messages":[{}],"tool_choice":"required"}""", false)]
    [TestCase("""{"messages":[{}],"tool_choice":{"type":"function","function":{"name":"f"}}}""", false)]
    public void CanGoOn_PlainTextOnly(string body, bool expected)
    {
        DeliveredAnswer delivered = new(Ask(body, null));
        Assert.That(delivered.CanGoOn, Is.False, "nothing has come yet");
        delivered.Add(new Delta { Text = "x", TokenIds = { 1 } });
        Assert.That(delivered.CanGoOn, Is.EqualTo(expected));
    }

    [Test]
    public void CanGoOn_CallsAndReasoningAlone_CannotBeContinued()
    {
        DeliveredAnswer called = new(Ask("""{"messages":[{}]}""", null));
        called.Add(new Delta { Text = "x" });
        called.Add(new Delta { ToolCall = new ToolCallDelta { Name = "f" } });
        DeliveredAnswer thought = new(Ask("""{"messages":[{}]}""", null));
        thought.Add(new Delta { Reasoning = "hm" });
        DeliveredAnswer several = new(Ask("""{"messages":[{}]}""", null) with { Choices = 2 });
        several.Add(new Delta { Text = "x" });
        Assert.That((called.CanGoOn, thought.CanGoOn, several.CanGoOn), Is.EqualTo((false, false, false)));
        Assert.That((called.IsEmpty, thought.IsEmpty), Is.EqualTo((false, false)));
    }

    [Test]
    public void IsEmpty_PrefillAloneIsNoAnswer()
    {
        DeliveredAnswer delivered = new(Ask("""{"messages":[{}]}""", 1));
        delivered.Add(new Delta { DueNanoton = 5 });
        Assert.That(delivered.IsEmpty, Is.True);
        delivered.Add(new Delta { Text = "x", TokenIds = { 1 } });
        Assert.That(delivered.IsWhole, Is.True);
        Assert.That(delivered.CutAtLimit().Choices.Single().FinishReason, Is.EqualTo("length"));
    }

    private static Ask Ask(string body, uint? maxTokens) => new(
        SealedRequest.Types.Endpoint.ChatCompletions, "m", Encoding.UTF8.GetBytes(body), maxTokens, 1, Shape.Fast, true, null, new byte[32]);
}
