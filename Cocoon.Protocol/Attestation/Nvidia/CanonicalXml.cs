using System.Text;
using System.Xml;

namespace Cocoon.Protocol.Attestation.Nvidia;

/// <summary>Canonical XML 1.1, without comments, for documents as NVIDIA's manifests are: no DTD, no <c>xml:</c> attributes, no processing instructions.</summary>
/// <remarks>
/// W3C REC-xml-c14n11; the framework has 1.0 only. What the profile excludes is refused when the document is loaded, so that
/// nothing is canonicalised in a way that was not thought of.
/// </remarks>
internal static class CanonicalXml
{
    public const int MaxSize = EvidenceBundle.MaxLog;

    private const int MaxDepth = 16;
    private const int MaxNodes = 20_000;
    private const string XmlnsNamespace = "http://www.w3.org/2000/xmlns/";

    private static readonly XmlReaderSettings Settings = new()
    {
        DtdProcessing = DtdProcessing.Prohibit,
        XmlResolver = null,
        MaxCharactersInDocument = MaxSize,
        MaxCharactersFromEntities = 1024,
        IgnoreComments = true,
    };

    /// <exception cref="EvidenceException">Not XML of this profile.</exception>
    public static XmlDocument Load(ReadOnlyMemory<byte> xml)
    {
        if (xml.Length > MaxSize)
        {
            throw new EvidenceException(EvidenceErrorCode.TooLarge, "XML too large");
        }

        try
        {
            using (XmlReader scan = XmlReader.Create(new MemoryStream(xml.ToArray(), writable: false), Settings))
            {
                CheckProfile(scan);
            }

            XmlDocument document = new() { PreserveWhitespace = true, XmlResolver = null };
            using XmlReader reader = XmlReader.Create(new MemoryStream(xml.ToArray(), writable: false), Settings);
            document.Load(reader);
            return document;
        }
        catch (XmlException e)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "XML: " + e.Message);
        }
    }

    /// <param name="apex">The element whose subtree is written; namespaces in scope above it are written on it.</param>
    /// <param name="skip">A child of <paramref name="apex"/> to leave out, as the enveloped-signature transform does.</param>
    public static byte[] Write(XmlElement apex, XmlElement? skip = null)
    {
        StringBuilder output = new();
        WriteElement(output, apex, new Dictionary<string, string>(StringComparer.Ordinal), isApex: true, skip);
        return Encoding.UTF8.GetBytes(output.ToString());
    }

    private static void CheckProfile(XmlReader reader)
    {
        int nodes = 0;
        while (reader.Read())
        {
            nodes += 1 + reader.AttributeCount;
            if (nodes > MaxNodes || reader.Depth > MaxDepth || reader.NodeType is XmlNodeType.ProcessingInstruction or XmlNodeType.EntityReference)
            {
                throw new EvidenceException(EvidenceErrorCode.Malformed, "XML outside the profile");
            }

            for (bool more = reader.MoveToFirstAttribute(); more; more = reader.MoveToNextAttribute())
            {
                if (reader.Prefix == "xml")
                {
                    throw new EvidenceException(EvidenceErrorCode.Malformed, "xml: attribute");
                }
            }
        }
    }

    private static void WriteElement(StringBuilder output, XmlElement element, Dictionary<string, string> rendered, bool isApex, XmlElement? skip)
    {
        output.Append('<').Append(element.Name);
        Dictionary<string, string> inScope = new(rendered, StringComparer.Ordinal);
        foreach ((string prefix, string uri) in Namespaces(element, isApex))
        {
            rendered.TryGetValue(prefix, out string? before);
            if (before == uri || (prefix.Length == 0 && uri.Length == 0 && before is null))
            {
                continue;
            }

            output.Append(prefix.Length == 0 ? " xmlns=\"" : $" xmlns:{prefix}=\"");
            Escape(output, uri, isAttribute: true);
            output.Append('"');
            inScope[prefix] = uri;
        }

        IEnumerable<XmlAttribute> attributes = element.Attributes.Cast<XmlAttribute>()
            .Where(a => a.NamespaceURI != XmlnsNamespace)
            .OrderBy(a => a.NamespaceURI, StringComparer.Ordinal)
            .ThenBy(a => a.LocalName, StringComparer.Ordinal);
        foreach (XmlAttribute attribute in attributes)
        {
            output.Append(' ').Append(attribute.Name).Append("=\"");
            Escape(output, attribute.Value, isAttribute: true);
            output.Append('"');
        }

        output.Append('>');
        foreach (XmlNode child in element.ChildNodes)
        {
            if (child is XmlElement inner)
            {
                if (!ReferenceEquals(inner, skip))
                {
                    WriteElement(output, inner, inScope, isApex: false, null);
                }
            }
            else if (child is XmlCharacterData text)
            {
                Escape(output, text.Data, isAttribute: false);
            }
        }

        output.Append("</").Append(element.Name).Append('>');
    }

    private static SortedDictionary<string, string> Namespaces(XmlElement element, bool withAncestors)
    {
        SortedDictionary<string, string> namespaces = new(StringComparer.Ordinal);
        for (XmlNode? at = element; at is XmlElement scope; at = withAncestors ? scope.ParentNode : null)
        {
            foreach (XmlAttribute attribute in scope.Attributes)
            {
                if (attribute.NamespaceURI == XmlnsNamespace)
                {
                    namespaces.TryAdd(attribute.Prefix.Length == 0 ? "" : attribute.LocalName, attribute.Value);
                }
            }
        }

        return namespaces;
    }

    private static void Escape(StringBuilder output, string text, bool isAttribute)
    {
        foreach (char c in text)
        {
            _ = c switch
            {
                '&' => output.Append("&amp;"),
                '<' => output.Append("&lt;"),
                '>' when !isAttribute => output.Append("&gt;"),
                '"' when isAttribute => output.Append("&quot;"),
                '\t' when isAttribute => output.Append("&#x9;"),
                '\n' when isAttribute => output.Append("&#xA;"),
                '\r' => output.Append("&#xD;"),
                _ => output.Append(c),
            };
        }
    }
}
