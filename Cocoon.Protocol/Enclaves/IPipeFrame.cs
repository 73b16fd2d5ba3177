namespace Cocoon.Protocol.Enclaves;

/// <summary>A frame of either direction.</summary>
internal interface IPipeFrame
{
    /// <summary>Whether it holds one of the messages that this version knows.</summary>
    bool HasBody { get; }
}
