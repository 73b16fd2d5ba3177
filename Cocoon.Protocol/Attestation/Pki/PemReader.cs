using System.Buffers.Text;
using System.Text;

namespace Cocoon.Protocol.Attestation.Pki;

/// <summary>Reads PEM in its one canonical encoding (RFC 7468 §3): 64 columns, lines that end with LF, no text between blocks.</summary>
/// <remarks>
/// The framework's import skips a damaged block without a word, so that a chain could lose its root unnoticed; and text that
/// can be spelled in two ways makes two names for one piece of evidence.
/// </remarks>
internal static class PemReader
{
    public const string CertificateLabel = "CERTIFICATE";
    public const string RevocationListLabel = "X509 CRL";
    public const int MaxBlocks = 16;

    private const int Columns = 64;

    /// <remarks>Of TDX quotes that clouds give, some end with one NUL and some do not; no other spelling has been seen.</remarks>
    /// <exception cref="EvidenceException">Anything but whole canonical blocks and at most one NUL at their end.</exception>
    public static List<(string Label, byte[] Der)> Read(ReadOnlySpan<byte> text)
    {
        if (!Ascii.IsValid(text))
        {
            throw Malformed();
        }

        string rest = Encoding.ASCII.GetString(text is [.., 0] ? text[..^1] : text);
        List<(string, byte[])> blocks = [];
        StringBuilder canonical = new(rest.Length);
        int at = 0;
        while (at < rest.Length)
        {
            const string begin = "-----BEGIN ";
            const string dashes = "-----";
            int labelEnd = rest.AsSpan(at).StartsWith(begin, StringComparison.Ordinal)
                ? rest.IndexOf(dashes, at + begin.Length, StringComparison.Ordinal)
                : -1;
            if (labelEnd < 0 || blocks.Count == MaxBlocks)
            {
                throw Malformed();
            }

            string label = rest[(at + begin.Length)..labelEnd];
            string footer = $"-----END {label}-----";
            int bodyAt = labelEnd + dashes.Length;
            int footerAt = rest.IndexOf(footer, bodyAt, StringComparison.Ordinal);
            if (footerAt < 0)
            {
                throw Malformed();
            }

            byte[] der = Decode(rest.AsSpan(bodyAt, footerAt - bodyAt));
            blocks.Add((label, der));
            Append(canonical, label, der);
            at = footerAt + footer.Length + 1;
        }

        return rest == canonical.ToString() ? blocks : throw Malformed();
    }

    /// <exception cref="EvidenceException">As <see cref="Read"/>, or a block that is no certificate.</exception>
    public static List<Certificate> ReadCertificates(ReadOnlySpan<byte> text) =>
        Read(text).ConvertAll(b => b.Label == CertificateLabel ? Certificate.Parse(b.Der) : throw Malformed());

    /// <summary>Blocks as tools and mail leave them: any line width, text around them. For what vendors signed, where the spelling is nothing to anybody.</summary>
    /// <exception cref="EvidenceException">A block does not end or does not decode; none is skipped.</exception>
    public static List<(string Label, byte[] Der)> ReadLoose(ReadOnlySpan<byte> text)
    {
        const string begin = "-----BEGIN ";
        string rest = Encoding.Latin1.GetString(text);
        List<(string, byte[])> blocks = [];
        for (int at = rest.IndexOf(begin, StringComparison.Ordinal); at >= 0; at = rest.IndexOf(begin, at, StringComparison.Ordinal))
        {
            int labelEnd = rest.IndexOf("-----", at + begin.Length, StringComparison.Ordinal);
            string label = labelEnd < 0 || labelEnd - at > Columns ? throw Malformed() : rest[(at + begin.Length)..labelEnd];
            string footer = $"-----END {label}-----";
            int bodyAt = labelEnd + "-----".Length;
            int footerAt = rest.IndexOf(footer, bodyAt, StringComparison.Ordinal);
            if (footerAt < 0 || blocks.Count == MaxBlocks)
            {
                throw Malformed();
            }

            blocks.Add((label, Decode(rest.AsSpan(bodyAt, footerAt - bodyAt))));
            at = footerAt + footer.Length;
        }

        return blocks;
    }

    private static byte[] Decode(ReadOnlySpan<char> base64)
    {
        if (!Base64.IsValid(base64, out int length))
        {
            throw Malformed();
        }

        byte[] der = new byte[length];
        return Convert.TryFromBase64Chars(base64, der, out int written) && written == length ? der : throw Malformed();
    }

    private static void Append(StringBuilder text, string label, byte[] der)
    {
        text.Append("-----BEGIN ").Append(label).Append("-----").Append('\n');
        string base64 = Convert.ToBase64String(der);
        for (int i = 0; i < base64.Length; i += Columns)
        {
            text.Append(base64, i, Math.Min(Columns, base64.Length - i)).Append('\n');
        }

        text.Append("-----END ").Append(label).Append("-----").Append('\n');
    }

    private static EvidenceException Malformed() => new(EvidenceErrorCode.Malformed, "PEM");
}
