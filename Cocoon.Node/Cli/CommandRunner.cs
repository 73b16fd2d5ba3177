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
                return Fail(exception);
            }
            catch (Storage.StorageException exception)
            {
                return Fail(new CliException(ExitCode.CheckFailed, exception.Message));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                return Fail(CliException.OfFile(exception));
            }
            catch (Payments.PaymentException exception)
            {
                return Fail(CliException.Of(exception, "the money side does not allow it"));
            }
            catch (Protocol.Ton.TonException exception)
            {
                return Fail(new CliException(ExitCode.Network, "the chain did not do its part", exception.Message, "Try again, or name another endpoint with --ton."));
            }
            catch (FormatException exception)
            {
                return Fail(new CliException(ExitCode.Usage, "an argument is malformed", exception.Message));
            }
            catch (Control.ControlException exception)
            {
                return Fail(exception.ToCliException());
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return ExitCode.Interrupted;
            }
            catch (Exception exception) when (exception is HttpRequestException or System.Net.Sockets.SocketException or TimeoutException)
            {
                return Fail(new CliException(ExitCode.Network, "the network did not do its part", exception.Message));
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

    private static int Fail(CliException exception)
    {
        exception.Print(Console.Error);
        return exception.ExitCode;
    }
}
