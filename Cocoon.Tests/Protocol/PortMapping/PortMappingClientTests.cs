using System.Net;
using Cocoon.Protocol.PortMapping;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.PortMapping;

[CancelAfter(60_000)]
public sealed class PortMappingClientTests
{
    private static readonly IPEndPoint s_inside = new(IPAddress.Loopback, 4484);
    private static readonly PortMappingLimits s_limits = new() { FirstRetry = TimeSpan.FromMilliseconds(200), Attempts = 3, SearchTime = TimeSpan.FromSeconds(10) };

    private StubGateway _gateway = null!;

    [SetUp]
    public void StartGateway() => _gateway = new StubGateway();

    [TearDown]
    public async Task StopGatewayAsync() => await _gateway.DisposeAsync();

    [TestCase(PortMappingProtocol.Pcp)]
    [TestCase(PortMappingProtocol.NatPmp)]
    [TestCase(PortMappingProtocol.Upnp)]
    public async Task Map_ThenUnmap_IsWhatTheRouterDid(PortMappingProtocol protocol, CancellationToken cancellationToken)
    {
        IPortMappingClient client = Create(protocol);
        MappedPort mapping = await client.MapAsync(s_inside, 4484, cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((mapping.Protocol, mapping.External, mapping.Lifetime), Is.EqualTo((protocol, new IPEndPoint(StubGateway.Outer, 4484), (TimeSpan?)s_limits.Lifetime)));
            Assert.That(_gateway.Mappings, Is.EqualTo(new Dictionary<int, int> { [4484] = 4484 }));
        }

        await client.UnmapAsync(mapping, cancellationToken);
        Assert.That(_gateway.Mappings, Is.Empty);
        (client as IDisposable)?.Dispose();
    }

    [Test]
    public async Task Upnp_PortThatIsTaken_GetsAnother_AndLeasesThatAreRefused_ArePermanent(CancellationToken cancellationToken)
    {
        _gateway.Taken.Add("4484");
        _gateway.OnlyPermanentLeases = true;
        using UpnpClient client = new(_gateway.Gateway.Search, s_limits, TimeProvider.System);
        MappedPort mapping = await client.MapAsync(s_inside, 4484, cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(mapping.External.Port, Is.Not.EqualTo(4484).And.GreaterThanOrEqualTo(1024));
            Assert.That(mapping.Lifetime, Is.Null);
            Assert.That(_gateway.Mappings[4484], Is.EqualTo(mapping.External.Port));
        }
    }

    [Test]
    public void Upnp_AllPortsTaken_IsRefusedAfterAFewAttempts(CancellationToken cancellationToken)
    {
        for (int port = 1; port <= 65535; port++)
        {
            _gateway.Taken.Add(port.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }

        using UpnpClient client = new(_gateway.Gateway.Search, s_limits, TimeProvider.System);
        Assert.That(async () => await client.MapAsync(s_inside, 4484, cancellationToken), Throws.TypeOf<PortMappingException>().With.Message.Contains("718"));
        Assert.That(_gateway.Actions.Count(a => a.StartsWith("AddPortMapping", StringComparison.Ordinal)), Is.EqualTo(s_limits.PortAttempts));
    }

    [TestCase(PortMappingProtocol.Pcp)]
    [TestCase(PortMappingProtocol.NatPmp)]
    public async Task Datagrams_GarbageBeforeTheAnswer_IsPassedOver(PortMappingProtocol protocol, CancellationToken cancellationToken)
    {
        _gateway.Bend = answer =>
        {
            byte[] otherPort = [.. answer], otherNonce = [.. answer];
            if (answer.Length >= 16)
            {
                otherPort[protocol == PortMappingProtocol.Pcp ? 41 : 9] ^= 1;
                otherNonce[protocol == PortMappingProtocol.Pcp ? 24 : 8] ^= 1;
            }

            return answer.Length < 16 ? [[], new byte[3], answer] : [[], new byte[1200], otherPort, otherNonce, answer];
        };
        MappedPort mapping = await Create(protocol).MapAsync(s_inside, 4484, cancellationToken);
        Assert.That(mapping.External, Is.EqualTo(new IPEndPoint(StubGateway.Outer, 4484)));
    }

    [TestCase(PortMappingProtocol.Pcp)]
    [TestCase(PortMappingProtocol.NatPmp)]
    public void Datagrams_ConfirmationOfNothing_IsRefused(PortMappingProtocol protocol, CancellationToken cancellationToken)
    {
        // A lifetime of zero, as if deleted.
        _gateway.Bend = answer =>
        {
            if (answer.Length >= 16)
            {
                answer.AsSpan(protocol == PortMappingProtocol.Pcp ? 4 : 12, 4).Clear();
            }

            return [answer];
        };
        Assert.That(async () => await Create(protocol).MapAsync(s_inside, 4484, cancellationToken), Throws.TypeOf<PortMappingException>().With.Message.Contains("none"));
    }

    [Test]
    public void Pcp_OlderGateway_IsRecognisedAtOnce(CancellationToken cancellationToken)
    {
        _gateway.SpeaksPcp = false;
        Assert.That(async () => await Create(PortMappingProtocol.Pcp).MapAsync(s_inside, 4484, cancellationToken), Throws.TypeOf<PortMappingException>().With.Message.Contains("unsupported version"));
    }

    [TestCase(PortMappingProtocol.Pcp)]
    [TestCase(PortMappingProtocol.NatPmp)]
    public void Datagrams_Silence_EndsAfterTheAttempts(PortMappingProtocol protocol, CancellationToken cancellationToken)
    {
        int asked = 0;
        _gateway.Bend = _ =>
        {
            asked++;
            return [];
        };
        Assert.That(async () => await Create(protocol).MapAsync(s_inside, 4484, cancellationToken), Throws.TypeOf<PortMappingException>().With.Message.Contains("does not answer"));
        Assert.That(asked, Is.EqualTo(s_limits.Attempts));
    }

    [TestCase("""<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><root>&b;</root>""", TestName = "entities")]
    [TestCase("""<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><root><service><serviceType>&x;</serviceType></service></root>""", TestName = "a file of ours")]
    [TestCase("""<root><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>http://8.8.8.8/x</controlURL></service></root>""", TestName = "another host's control URL")]
    [TestCase("""<root><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>file:///etc/passwd</controlURL></service></root>""", TestName = "a control URL that is a file")]
    [TestCase("not xml", TestName = "no XML")]
    public void Upnp_HostileDescription_IsNoGateway(string description, CancellationToken cancellationToken)
    {
        _gateway.Description = description;
        using UpnpClient client = new(_gateway.Gateway.Search, s_limits, TimeProvider.System);
        Assert.That(async () => await client.MapAsync(s_inside, 4484, cancellationToken), Throws.TypeOf<PortMappingException>());
        Assert.That(_gateway.Actions, Is.Empty);
    }

    [Test]
    public void Upnp_DescriptionWithoutEnd_IsNotReadToIt(CancellationToken cancellationToken)
    {
        _gateway.Description = "<root>" + new string('x', 8 << 20);
        using UpnpClient client = new(_gateway.Gateway.Search, s_limits, TimeProvider.System);
        Assert.That(async () => await client.MapAsync(s_inside, 4484, cancellationToken), Throws.TypeOf<PortMappingException>());
    }

    [Test]
    public void Xml_TooDeep_IsRefused() =>
        Assert.That(UpnpDescription.ReadFields(System.Text.Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("<a>", 50)) + string.Concat(Enumerable.Repeat("</a>", 50)))), Is.Null);

    [TestCase("http://192.0.2.1:5000/root.xml", true)]
    [TestCase("http://192.0.2.2:5000/root.xml", false, TestName = "another host than the one that answered")]
    [TestCase("http://localhost/root.xml", false, TestName = "a name")]
    [TestCase("http://user@192.0.2.1/root.xml", false, TestName = "with credentials")]
    [TestCase("https://192.0.2.1/root.xml", false, TestName = "https")]
    [TestCase("file:///etc/passwd", false, TestName = "a file")]
    public void Ssdp_Location_MustBeOnTheHostThatAnswered(string location, bool taken) => Assert.That(
        SsdpSearch.TryReadLocation($"HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:2\r\nlocation: {location}\r\n\r\n", IPAddress.Parse("192.0.2.1"), out _),
        Is.EqualTo(taken));

    private IPortMappingClient Create(PortMappingProtocol protocol) => protocol switch
    {
        PortMappingProtocol.Pcp => new PcpClient(_gateway.Gateway.Control, s_limits, TimeProvider.System),
        PortMappingProtocol.NatPmp => new NatPmpClient(_gateway.Gateway.Control, s_limits, TimeProvider.System),
        _ => new UpnpClient(_gateway.Gateway.Search, s_limits, TimeProvider.System),
    };
}
