using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Tests.Support;
using NUnit.Framework;

/// <summary>Runs every test of this process with suite C beside suite A, also where the platform has no ML-KEM.</summary>
[SetUpFixture]
#pragma warning disable CA1050 // A set-up fixture outside of namespaces is for the whole assembly.
public sealed class PostQuantumSetUp
#pragma warning restore CA1050
{
    [OneTimeSetUp]
    public void UseMlKem() => HpkeSuite.UseMlKem(new BouncyCastleMlKem768());
}
