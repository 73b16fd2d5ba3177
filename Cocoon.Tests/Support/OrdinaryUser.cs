using System.Diagnostics;

namespace Cocoon.Tests.Support;

/// <summary>A user without privileges: nobody when the tests run as root, else who runs them.</summary>
/// <param name="Prefix">Before the command line of a process that shall be that user's.</param>
internal sealed record OrdinaryUser(string[] Prefix)
{
    private const string SetPriv = "/usr/bin/setpriv", Id = "65534";

    /// <summary><c>null</c> where there is no way to become one.</summary>
    public static OrdinaryUser? Find() => Environment.UserName != "root" ? new([])
        : File.Exists(SetPriv) ? new([SetPriv, "--reuid", Id, "--regid", Id, "--clear-groups"])
        : null;

    /// <summary>A new folder of that user's alone.</summary>
    public string CreateDirectory(string prefix)
    {
        string folder = Directory.CreateTempSubdirectory(prefix).FullName;
        if (Prefix.Length > 0)
        {
            using Process chown = Process.Start("chown", [$"{Id}:{Id}", folder]);
            chown.WaitForExit();
        }

        return folder;
    }
}
