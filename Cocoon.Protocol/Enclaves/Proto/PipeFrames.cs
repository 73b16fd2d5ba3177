namespace Cocoon.Protocol.Enclaves.Proto;

internal sealed partial class HostFrame : IPipeFrame
{
    public bool HasBody => BodyCase != BodyOneofCase.None;
}

internal sealed partial class EnclaveFrame : IPipeFrame
{
    public bool HasBody => BodyCase != BodyOneofCase.None;
}
