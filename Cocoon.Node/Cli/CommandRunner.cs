using System.CommandLine;

namespace Cocoon.Node.Cli;

/// <summary>Runs a command's action; the one place where exceptions become messages and exit codes.</summary>
internal static class CommandRunner
{
    /// <summary>With it set, an unexpected failure prints where it happened.</summary>
    private const string TraceVariable = "COCOON_TRACE";

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
            catch (Exception exception) when (exception is HttpRequestException or System.Net.Sockets.SocketException or TimeoutException)
            {
                new CliException(ExitCode.Network, "the network did not do its part", exception.Message).Print(Console.Error);
                return ExitCode.Network;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                new CliException(ExitCode.CheckFailed, "a file or connection could not be used", exception.Message).Print(Console.Error);
                return ExitCode.CheckFailed;
            }
            catch (Exception exception)
            {
                // Edge of the command: a person is told that it is our fault, and gets the trace only when it is asked for.
                new CliException(
                    ExitCode.CheckFailed, "this command failed in a way that it should not", $"{exception.GetType().Name}: {exception.Message}",
                    $"It is a mistake in cocoon: please report it, with what {TraceVariable}=1 prints.").Print(Console.Error);
                if (Environment.GetEnvironmentVariable(TraceVariable) is { Length: > 0 })
                {
                    await Console.Error.WriteLineAsync(exception.ToString());
                }

                return ExitCode.CheckFailed;
            }
        });
}
