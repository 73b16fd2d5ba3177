using Cocoon.Node.Cli;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Tests.Support;

namespace Cocoon.Tests.EndToEnd;

/// <summary>
/// The whole program with its sealing switched off: light client, provider node and enclave are the product's, but the suite that they
/// agree on encrypts nothing. It shows that a search for plaintext finds some where there is some.
/// </summary>
/// <remarks>The product has no such suite and no option that names another: only code that composes it can, as here.</remarks>
internal static class UnsealedProgram
{
    public const string Verb = "unsealed";

    /// <summary>What follows <c>dotnet</c>.</summary>
    public static IReadOnlyList<string> DotNetArguments => [typeof(UnsealedProgram).Assembly.Location, Verb];

    public static IReadOnlyList<string> Command { get; } =
        [Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", "exec", .. DotNetArguments];

    private static HpkeSuite[] Suites => [UnsealedSuite.Create()];

    public static Task<int> RunAsync(string[] arguments) => RootCommandBuilder.Build(Suites).Parse(arguments).InvokeAsync();

    /// <summary>The enclave of a node that is this program.</summary>
    public static Task<int> RunEnclaveAsync(string[] words) => EnclaveCommand.RunAsync(words, Suites);
}
