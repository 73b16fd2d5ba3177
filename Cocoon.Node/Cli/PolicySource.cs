using System.Text;
using System.Text.Json.Nodes;
using Cocoon.Node.Attestation;
using Cocoon.Node.Control;
using Cocoon.Protocol.Attestation;

namespace Cocoon.Node.Cli;

/// <summary>The policy that a command appraises by: the file it names, else that of the light client that runs here, else the data directory's.</summary>
internal static class PolicySource
{
    /// <exception cref="FormatException">The file is missing or has a mistake, or the node's policy cannot be read.</exception>
    public static async Task<AppraisalPolicy> ReadAsync(string? named, string dataDirectory, CancellationToken cancellationToken, bool isForPrinting = false)
    {
        if (named is null && await AskNodeAsync(dataDirectory, cancellationToken) is { } running)
        {
            return AppraisalPolicyFile.Parse(Encoding.UTF8.GetBytes(running));
        }

        return PolicyFiles.Read(named, dataDirectory, isForPrinting);
    }

    /// <returns><c>null</c> when none runs here, or one that asks no providers.</returns>
    private static async Task<string?> AskNodeAsync(string dataDirectory, CancellationToken cancellationToken)
    {
        if (!File.Exists(ControlSocket.PathIn(Path.GetFullPath(dataDirectory))))
        {
            return null;
        }

        using ControlClient client = new(dataDirectory);
        try
        {
            JsonObject answer = await client.GetAsync("/control/policy", ListCommand.Wait, cancellationToken);
            return (string?)answer["policy"];
        }
        catch (CliException exception) when (exception.ExitCode == ExitCode.NodeNotRunning)
        {
            return null;
        }
    }
}
