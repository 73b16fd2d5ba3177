using Cocoon.Node.Models;

namespace Cocoon.Node.Cli;

/// <summary>Model errors as exit codes: the one place.</summary>
internal static class ModelFailures
{
    /// <summary>For a name that neither the store nor an offer takes.</summary>
    public static CliException BadName(string name) => name.Length > ModelName.MaxLength
        ? new CliException(ExitCode.Usage, "that name is too long", $"at most {ModelName.MaxLength} characters make a model's name")
        : new CliException(ExitCode.Usage, $"'{name}' cannot be a name", "names are lower-case letters, digits, dots, dashes and underscores, and begin with a letter or digit");

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
