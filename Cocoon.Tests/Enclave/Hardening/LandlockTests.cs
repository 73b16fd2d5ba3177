using Cocoon.Enclave.Hardening;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Hardening;

public sealed class LandlockTests
{
    /// <summary>A self-contained program opened everything three folders above it, which was the whole file system.</summary>
    [TestCase("/usr/share/dotnet/shared/Microsoft.NETCore.App/10.0.1/", "/usr/share/dotnet")]
    [TestCase("/usr/lib/dotnet/shared/Microsoft.NETCore.App/10.0.1", "/usr/lib/dotnet")]
    [TestCase("/app/", "/app")]
    [TestCase("/opt/cocoon/", "/opt/cocoon")]
    [TestCase("/home/owner/cocoon/bin/", "/home/owner/cocoon/bin")]
    [TestCase("/shared/Microsoft.NETCore.App/10.0.1/", "/shared/Microsoft.NETCore.App/10.0.1")]
    public void RuntimeRoot_IsThatOfAnInstalledRuntimeOrTheProgramsOwnFolder(string directory, string root) =>
        Assert.That(Landlock.RuntimeRoot(directory), Is.EqualTo(root));
}
