using System.Text;
using Cocoon.Node.Attestation;
using Cocoon.Node.Control;
using Cocoon.Protocol.Attestation;

namespace Cocoon.Node.Cli;

/// <summary>The policy that a command appraises by: the file it names, else that of the light client that runs here, else the data directory's.</summary>
internal static class PolicySource
{
    /// <exception cref="CliException">The named file is missing.</exception>
    /// <exception cref="FormatException">The file has a mistake, or the node's policy cannot be read.</exception>
    public static async Task<AppraisalPolicy> ReadAsync(string? named, string dataDirectory, CancellationToken cancellationToken, bool isForPrinting = false)
    {
        if (named is null
            && await ControlClient.AskAsync(dataDirectory, "/control/policy", ListCommand.Wait, cancellationToken) is { } node
            && (string?)node["policy"] is { } running)
        {
            return AppraisalPolicyFile.Parse(Encoding.UTF8.GetBytes(running));
        }

        return PolicyFiles.Read(named, dataDirectory, isForPrinting);
    }
}
