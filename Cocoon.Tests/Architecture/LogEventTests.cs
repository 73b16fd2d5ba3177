using System.Reflection;
using Microsoft.Extensions.Logging;
using NUnit.Framework;

namespace Cocoon.Tests.Architecture;

/// <summary>An event id is what a reader of logs filters by: it means one event, in every process of the program.</summary>
public sealed class LogEventTests
{
    [Test]
    public void EventIds_OfTheWholeProgram_AreOfOneEventEach()
    {
        IEnumerable<(int Id, string Event)> events = from name in (string[])["Cocoon.Protocol", "Cocoon.Enclave", "cocoon"]
            from type in Assembly.Load(name).GetTypes()
            from method in type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
            let message = method.GetCustomAttribute<LoggerMessageAttribute>()
            where message is not null
            select (message.EventId, $"{type.DeclaringType?.FullName}.{method.Name}");
        string[] shared = [.. events.GroupBy(e => e.Id).Where(same => same.Count() > 1).Select(same => $"{same.Key}: {string.Join(", ", same.Select(e => e.Event))}")];
        Assert.That(events, Is.Not.Empty);
        Assert.That(shared, Is.Empty);
    }
}
