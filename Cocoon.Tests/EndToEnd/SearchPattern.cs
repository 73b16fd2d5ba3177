using System.Text;

namespace Cocoon.Tests.EndToEnd;

/// <summary>A text in one of the forms in which a process could hold or write it.</summary>
internal sealed record SearchPattern(string Form, byte[] Bytes)
{
    /// <summary>Either half of the text as UTF-8, UTF-16, hexadecimal, and base64 at each alignment.</summary>
    /// <remarks>Halves, so that a text cut by a buffer's end is still found.</remarks>
    public static IReadOnlyList<SearchPattern> FormsOf(string text)
    {
        List<SearchPattern> forms = [];
        foreach (string half in (string[])[text[..(text.Length / 2)], text[(text.Length / 2)..]])
        {
            byte[] utf8 = Encoding.UTF8.GetBytes(half);
            forms.Add(new("utf-8", utf8));
            forms.Add(new("utf-16", Encoding.Unicode.GetBytes(half)));
            forms.Add(new("hex", Encoding.ASCII.GetBytes(Convert.ToHexStringLower(utf8))));
            forms.Add(new("HEX", Encoding.ASCII.GetBytes(Convert.ToHexString(utf8))));
            for (int offset = 0; offset < 3; offset++)
            {
                forms.Add(new($"base64+{offset}", Base64Inside(utf8, offset)));
            }
        }

        return forms;
    }

    /// <summary>The characters that do not depend on what stands before and after.</summary>
    private static byte[] Base64Inside(byte[] data, int offset)
    {
        string whole = Convert.ToBase64String([.. new byte[offset], .. data]);
        int skip = offset == 0 ? 0 : offset + 1, end = (offset + data.Length) / 3 * 4;
        return Encoding.ASCII.GetBytes(whole[skip..end]);
    }
}
