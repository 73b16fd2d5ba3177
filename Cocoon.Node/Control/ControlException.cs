using Cocoon.Node.Cli;

namespace Cocoon.Node.Control;

/// <summary>A refusal of the control API, as the node put it.</summary>
internal sealed class ControlException(int exitCode, string what, string? why, string? fix) : Exception(what)
{
    public int ExitCode { get; } = exitCode;

    public CliException ToCliException() => new(ExitCode, Message, why, fix);
}
