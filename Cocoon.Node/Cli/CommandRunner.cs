using System.CommandLine;

namespace Cocoon.Node.Cli;

/// <summary>Runs a command's action; the one place where exceptions become messages and exit codes.</summary>
internal static class CommandRunner
{
    public static void Run(this Command command, Func<ParseResult, CancellationToken, Task<int>> action) =>
        command.SetAction(async (parse, cancellationToken) =>
        {
            try
            {
                return await action(parse, cancellationToken);
            }
            catch (CliException exception)
            {
                exception.Print(Console.Error);
                return exception.ExitCode;
            }
            catch (Storage.StorageException exception)
            {
                new CliException(ExitCode.CheckFailed, exception.Message).Print(Console.Error);
                return ExitCode.CheckFailed;
            }
            catch (Payments.PaymentException exception)
            {
                new CliException(ExitCode.Payment, "the money side does not allow it", exception.Message).Print(Console.Error);
                return ExitCode.Payment;
            }
            catch (Protocol.Ton.TonException exception)
            {
                new CliException(ExitCode.Network, "the chain did not do its part", exception.Message, "Try again, or name another endpoint with --ton.").Print(Console.Error);
                return ExitCode.Network;
            }
            catch (FormatException exception)
            {
                new CliException(ExitCode.Usage, "an argument is malformed", exception.Message).Print(Console.Error);
                return ExitCode.Usage;
            }
            catch (Control.ControlException exception)
            {
                exception.ToCliException().Print(Console.Error);
                return exception.ExitCode;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return ExitCode.Ok;
            }
        });
}
