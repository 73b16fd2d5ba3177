using Cocoon.Node.Cli;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Cli;

internal sealed class CliExceptionTests
{
    /// <summary>Why a request failed can be the words of an enclave of tier open: they drive no terminal, and make up no advice of ours.</summary>
    [Test]
    public void Print_OfStrangersWords_KeepsThemToTheirLine()
    {
        StringWriter error = new();
        new CliException(1, "the model refused\u001b]0;owned\u0007 the request", "no\u001b[2J\n  fix  type this instead", "Change the request.").Print(error);
        string[] lines = error.ToString().TrimEnd().Split(Environment.NewLine);
        Assert.That(lines, Has.Length.EqualTo(3));
        Assert.That(lines[0], Is.EqualTo("error: the model refused ]0;owned  the request"));
        Assert.That(lines[1], Is.EqualTo("  why  no [2J   fix  type this instead"));
        Assert.That(lines[2], Is.EqualTo("  fix  Change the request."));
    }
}
