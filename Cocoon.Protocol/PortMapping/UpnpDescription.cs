using System.Xml;

namespace Cocoon.Protocol.PortMapping;

/// <summary>The service of a gateway device that maps ports.</summary>
/// <param name="Type">WANIPConnection or WANPPPConnection, as the device writes it.</param>
internal sealed record UpnpService(string Type, Uri Control);

/// <summary>Reads what devices on the local network send: no DTD, no entities, nothing fetched, bounded in size and depth.</summary>
internal static class UpnpDescription
{
    private const int MaxDepth = 32;

    private static readonly string[] Services =
    [
        "urn:schemas-upnp-org:service:WANIPConnection:2",
        "urn:schemas-upnp-org:service:WANIPConnection:1",
        "urn:schemas-upnp-org:service:WANPPPConnection:1",
    ];

    /// <summary>The best mapping service of a device description, or <c>null</c>. Its control URL is on the description's own host.</summary>
    public static UpnpService? FindService(ReadOnlyMemory<byte> xml, Uri description)
    {
        Uri root = description;
        List<UpnpService> found = [];
        (string? Type, string? Control) current = (null, null);
        bool valid = TryWalk(xml, (name, text) =>
        {
            switch (name)
            {
                case "URLBase" when Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && IsSameHost(url, description):
                    root = url;
                    break;
                case "serviceType":
                    current.Type = text;
                    break;
                case "controlURL":
                    current.Control = text;
                    break;
                case "/service":
                    if (current is { Type: { } type, Control: { } control }
                        && Services.Contains(type)
                        && Uri.TryCreate(root, control, out Uri? resolved)
                        && IsSameHost(resolved, description))
                    {
                        found.Add(new UpnpService(type, resolved));
                    }

                    current = (null, null);
                    break;
            }
        });
        return valid ? found.MinBy(s => Array.IndexOf(Services, s.Type)) : null;
    }

    /// <summary>Texts of the elements of a SOAP answer by local name; <c>null</c> when it is no XML of ours. The first of a name counts.</summary>
    public static IReadOnlyDictionary<string, string>? ReadFields(ReadOnlyMemory<byte> xml)
    {
        Dictionary<string, string> fields = [];
        return TryWalk(xml, (name, text) => fields.TryAdd(name, text)) ? fields : null;
    }

    private static bool IsSameHost(Uri url, Uri description) =>
        url.Scheme == Uri.UriSchemeHttp && url.UserInfo.Length == 0 && string.Equals(url.Host, description.Host, StringComparison.OrdinalIgnoreCase);

    /// <summary>Calls <paramref name="found"/> with each leaf's local name and text, and with <c>/name</c> at each end of an element that has children.</summary>
    private static bool TryWalk(ReadOnlyMemory<byte> xml, Action<string, string> found)
    {
        XmlReaderSettings settings = new()
        {
            DtdProcessing = DtdProcessing.Prohibit,
            XmlResolver = null,
            MaxCharactersInDocument = xml.Length,
            MaxCharactersFromEntities = 1024,
            IgnoreComments = true,
            IgnoreProcessingInstructions = true,
        };
        try
        {
            using MemoryStream stream = new(xml.ToArray());
            using XmlReader reader = XmlReader.Create(stream, settings);
            string text = "";
            bool isLeaf = false;
            while (reader.Read())
            {
                switch (reader.NodeType)
                {
                    case XmlNodeType.Element:
                        if (reader.Depth > MaxDepth)
                        {
                            return false;
                        }

                        (text, isLeaf) = ("", true);
                        if (reader.IsEmptyElement)
                        {
                            found(reader.LocalName, "");
                            isLeaf = false;
                        }

                        break;
                    case XmlNodeType.Text or XmlNodeType.CDATA:
                        text += reader.Value;
                        break;
                    case XmlNodeType.EndElement:
                        found(isLeaf ? reader.LocalName : "/" + reader.LocalName, isLeaf ? text.Trim() : "");
                        isLeaf = false;
                        break;
                }
            }

            return true;
        }
        catch (XmlException)
        {
            return false;
        }
    }
}
