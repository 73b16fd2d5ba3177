using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Cli;

/// <summary>TON addresses as people type or paste them.</summary>
internal static class TypedAddress
{
    /// <summary>Of the friendly form.</summary>
    private const int FriendlyLength = 48;

    /// <exception cref="CliException">It is none, with what is wrong about it.</exception>
    public static TonAddress Read(string? text) => TonAddress.TryParse(text, out TonAddress address)
        ? address
        : throw new CliException(
            ExitCode.Usage,
            $"'{text}' is no TON address",
            text?.Length == FriendlyLength ? "its check sum does not match: a character of it is wrong"
            : "48 letters, digits, '-' and '_' are expected (UQ…, EQ…), or the workchain and 64 hexadecimal digits (0:…)",
            "Copy it again from where it is shown.");
}
