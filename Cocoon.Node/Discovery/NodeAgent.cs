using System.Reflection;

namespace Cocoon.Node.Discovery;

/// <summary>Agent string of identify and offers.</summary>
internal sealed record NodeAgent(string Value)
{
    public static string Version { get; } = typeof(NodeAgent).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    public static NodeAgent Default { get; } = new($"cocoon/{Version}");
}
