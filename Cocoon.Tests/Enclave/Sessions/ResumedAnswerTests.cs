using System.Security.Cryptography;
using System.Text;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Sessions;

/// <summary>An answer that another provider began, as the second one's enclave takes it.</summary>
public sealed class ResumedAnswerTests
{
    [Test]
    public void Apply_WholeText_StandsInThePrompt()
    {
        GenerationRequest chat = ResumedAnswer.Apply(Chat(), Resume("Begun"));
        GenerationRequest text = ResumedAnswer.Apply(Chat() with { Prompt = new PromptInput.Text("Once ") }, Resume("upon"));
        Assert.That(((PromptInput.Chat)chat.Prompt).AnswerPrefix, Is.EqualTo("Begun"));
        Assert.That(text.Prompt, Is.EqualTo(new PromptInput.Text("Once upon")));
    }

    [Test]
    public void Apply_TextThatIsNotWhole_IsRefused()
    {
        Resume changed = Resume("Begun");
        changed.DeliveredText = ByteString.CopyFromUtf8("Begum");
        Resume broken = Resume([0xC3]);
        Resume first = Resume("Begun");
        first.Segment = 0;
        foreach (Resume resume in (Resume[])[changed, broken, first, new Resume()])
        {
            Assert.That(Assert.Throws<OpenAiRequestException>(() => ResumedAnswer.Apply(Chat(), resume))!.Code, Is.EqualTo("resume_invalid"));
        }
    }

    [Test]
    public void Apply_WhatDependsOnLostState_IsRefused()
    {
        GenerationRequest[] requests =
        [
            Chat() with { Choices = 2 },
            Chat() with { Constraint = new OutputConstraint.JsonObject() },
            Chat() with { Prompt = new PromptInput.Tokens([1]) },
            Chat() with { Prompt = new PromptInput.Chat([new ChatMessage("user", "x")]) { ToolChoice = ToolChoiceMode.Required } },
        ];
        foreach (GenerationRequest request in requests)
        {
            Assert.That(Assert.Throws<OpenAiRequestException>(() => ResumedAnswer.Apply(request, Resume("Begun")))!.Code, Is.EqualTo("resume_unsupported"));
        }
    }

    private static GenerationRequest Chat() => new() { Prompt = new PromptInput.Chat([new ChatMessage("user", "x")]), Tenant = TenantKey.CreateRandom() };

    private static Resume Resume(string text) => Resume(Encoding.UTF8.GetBytes(text));

    private static Resume Resume(byte[] text) => new()
    {
        DeliveredText = ByteString.CopyFrom(text),
        DeliveredTextDigest = ByteString.CopyFrom(SHA256.HashData(text)),
        Segment = 1,
    };
}
