using Cocoon.Enclave.Hardening;
using Cocoon.Protocol.Enclaves.Proto;

namespace Cocoon.Tests.Enclave.Sessions;

/// <summary>For an enclave inside the test process: protects nothing, and says which protections are missing as it is told.</summary>
internal sealed class NoProtection(params string[] missing) : IProcessProtection
{
    public IReadOnlyList<string> Missing => missing;

    public void ApplyEarly()
    {
    }

    public void ApplyFilter()
    {
    }

    public void Silence()
    {
    }

    public Protections Report() => new() { Items = { new Protections.Types.Protection { Name = "seccomp", State = "off" } } };

    public SelfTestReport SelfTest() => new();
}
