using Cocoon.Protocol.Enclaves.Proto;

namespace Cocoon.Enclave.Hardening;

/// <summary>What stands between this process and the rest of the machine. Two implementations: the real one, and none for tests in process.</summary>
internal interface IProcessProtection
{
    /// <summary>Everything but the filter, before anything else runs.</summary>
    void ApplyEarly();

    /// <summary>The system call filter for every thread, before any key exists.</summary>
    void ApplyFilter();

    /// <summary>Before user data can be in memory: what libraries and the runtime print from here on goes nowhere.</summary>
    void Silence();

    /// <summary>What each protection reported. Part of the evidence.</summary>
    Protections Report();

    /// <summary>Names of protections without which no key is made and that are not on; empty when keys may be made.</summary>
    IReadOnlyList<string> Missing { get; }

    /// <summary>Tries what must not work.</summary>
    SelfTestReport SelfTest();
}
