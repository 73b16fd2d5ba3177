using Cocoon.Node.Cli;
using Cocoon.Protocol.Attestation;

namespace Cocoon.Node.Attestation;

/// <summary>Where a node's appraisal policy comes from: a named file, the one in its data directory, or the built-in default.</summary>
internal static class PolicyFiles
{
    public const string FileName = "policy.json";

    /// <exception cref="CliException">The named file is missing.</exception>
    /// <exception cref="FormatException">The file has a mistake; a policy that cannot be read is never replaced by another.</exception>
    /// <param name="isForPrinting">An empty file counts as none: it is what a shell makes of the one that the policy is about to be written to.</param>
    public static AppraisalPolicy Read(string? named, string dataDirectory, bool isForPrinting = false)
    {
        string path = named ?? Path.Combine(dataDirectory, FileName);
        FileInfo file = new(path);
        if (!file.Exists || (isForPrinting && named is null && file.Length == 0))
        {
            return named is null ? AppraisalPolicy.Default : throw new CliException(ExitCode.NotFound, $"there is no policy file {path}");
        }

        if (file.Length > AppraisalPolicyFile.MaxSize)
        {
            throw new FormatException($"the policy file {path} is too large");
        }

        try
        {
            return AppraisalPolicyFile.Parse(File.ReadAllBytes(path));
        }
        catch (FormatException exception)
        {
            throw new FormatException($"{path}: {exception.Message} ('cocoon attest policy --data ANOTHER' prints a whole one)", exception);
        }
    }
}
