using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.Templates;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference.Templates;

/// <summary>Templates of a few lines that ask for more time or memory than there is.</summary>
public sealed class HostileTemplateTests
{
    private const string Shared = "{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(50) %}{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}";

    private const string Deep = "{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(40000) %}{% set ns.l = [ns.l] %}{% set ns.m = [ns.m] %}{% endfor %}";

    private const string Long = "{% set s = 'a' * 16000000 %}";

    [TestCase(Shared + "{{ ns.l|tojson }}", TestName = "Render_ListThatHoldsItselfOften_AsJson_IsLimited")]
    [TestCase(Shared + "{{ ns.l }}", TestName = "Render_ListThatHoldsItselfOften_AsText_IsLimited")]
    [TestCase(Shared + "{{ ns.l == ns.m }}", TestName = "Render_ListThatHoldsItselfOften_Compared_IsLimited")]
    [TestCase(Shared + "{{ [ns.l]|unique|length }}{{ ns.l in [ns.m] }}", TestName = "Render_ListThatHoldsItselfOften_LookedFor_IsLimited")]
    [TestCase(Deep + "{{ ns.l < ns.m }}", TestName = "Render_DeepLists_Ordered_IsLimited")]
    [TestCase(Deep + "{{ [ns.l, ns.m]|sort }}", TestName = "Render_DeepLists_Sorted_IsLimited")]
    [TestCase("{% set ns = namespace(k=[]) %}{% for i in range(60000) %}{% set ns.k = [ns.k, range(100000)] %}{% endfor %}", TestName = "Render_RangesWithoutEnd_IsLimited")]
    [TestCase("{% set l = range(100000) + range(100000) %}{% set ns = namespace(k=[]) %}{% for i in range(60000) %}{% set ns.k = [ns.k, l[1:]] %}{% endfor %}", TestName = "Render_SlicesWithoutEnd_IsLimited")]
    [TestCase("{{ range(100000)|unique|length }}", TestName = "Render_UniqueOfMany_IsLimited")]
    [TestCase(Long + "{% for i in range(90000) %}{% set t = s|upper %}{% endfor %}", TestName = "Render_LettersChangedWithoutEnd_IsLimited")]
    [TestCase(Long + "{% for i in range(90000) %}{% set t = s.strip('b') ~ 'c' %}{% endfor %}", TestName = "Render_TextsJoinedWithoutEnd_IsLimited")]
    [TestCase(Long + "{{ s.split('a')|length }}", TestName = "Render_TextOfTooManyParts_IsLimited")]
    [TestCase(Long + "{{ s|list|length }}", TestName = "Render_TextOfTooManyCharacters_IsLimited")]
    [TestCase("{% set t = ('a' * 16000).replace('a', 'b' * 1000000) %}", TestName = "Render_ReplacedByFarMore_IsLimited")]
    [TestCase("{{ range(100000)|join('a' * 1000000)|length }}", TestName = "Render_JoinedByFarMore_IsLimited")]
    [TestCase("{{ ('a\n' * 900000)|indent(64)|length }}", TestName = "Render_IndentedByFarMore_IsLimited")]
    [TestCase(Long + "{{ s.find('a' * 8000000 ~ 'b' ~ 'a' * 1000000) }}", TestName = "Render_LongSearchInLong_IsLimited")]
    [TestCase(Long + "{{ s.strip('b' * 8000000)|length }}", TestName = "Render_StrippedOfManyLetters_IsLimited")]
    public void Render_TemplateWithoutEnd_IsLimited(string source)
    {
        ChatTemplate template = new(source, "", "", TimeProvider.System);
        Assert.That(() => template.Render(new PromptInput.Chat([new ChatMessage("user", "Hello")])), Throws.TypeOf<TemplateException>().With.Property("Code").EqualTo(TemplateErrorCode.Limit));
    }

    [Test]
    public void Render_ValuesWithoutOrder_Sorted_AreATypeError() =>
        Assert.That(
            () => new ChatTemplate("{{ [1, 'a']|sort }}", "", "", TimeProvider.System).Render(new PromptInput.Chat([new ChatMessage("user", "Hello")])),
            Throws.TypeOf<TemplateException>().With.Property("Code").EqualTo(TemplateErrorCode.Type));

    [TestCase("{{ (-9223372036854775807 - 1) // -1 }}", "-9223372036854775808")]
    [TestCase("{{ 'a-b-c'.rsplit('-', 1) }}", "['a-b', 'c']")]
    [TestCase("{{ [3, 1, 2]|sort }}", "[1, 2, 3]")]
    public void Render_EdgesOfValues_AreValues(string source, string expected) =>
        Assert.That(new ChatTemplate(source, "", "", TimeProvider.System).Render(new PromptInput.Chat([new ChatMessage("user", "Hello")])).Join(), Is.EqualTo(expected));
}
