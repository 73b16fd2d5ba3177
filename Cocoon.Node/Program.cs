using Cocoon.Node.Cli;
using Cocoon.Protocol.Cryptography.Hpke;

// The child is this program again and must stay small: it loads nothing of the other commands.
return await (args is [EnclaveCommand.Name, .. string[] words] ? EnclaveCommand.RunAsync(words, HpkeSuite.Offered) : CommandLine.RunAsync(args));
