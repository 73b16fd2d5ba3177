using Cocoon.Node.Models;

namespace Cocoon.Node.Cli;

/// <summary>Model errors as exit codes: the one place.</summary>
internal static class ModelFailures
{
    public static CliException ToCli(ModelException exception) => new(
        exception.Code switch
        {
            ModelErrorCode.NotFound => ExitCode.NotFound,
            ModelErrorCode.BadSource or ModelErrorCode.NameTaken => ExitCode.Usage,
            ModelErrorCode.Network => ExitCode.Network,
            _ => ExitCode.CheckFailed,
        },
        exception.Message,
        exception.Why,
        exception.Fix);
}
