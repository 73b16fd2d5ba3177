using System.Globalization;
using System.Text;
using Cocoon.Enclave.Attestation.Tsm;

namespace Cocoon.Tests.Enclave.Attestation;

/// <summary>The kernel's report folder as configfs-tsm behaves: a generation that counts writes, a report made when it is read.</summary>
/// <param name="makeReport">What the hardware would sign for 64 bytes of report data.</param>
internal sealed class MemoryTsmReports(string provider, Func<byte[], byte[]> makeReport) : ITsmReports
{
    private readonly Dictionary<string, (ulong Generation, byte[] InBlob)> _entries = new(StringComparer.Ordinal);
    private readonly Queue<Action<string>> _beforeReport = new();

    public bool IsPresent { get; init; } = true;

    /// <summary>Read from <c>auxblob</c>; <c>null</c>: this provider has none.</summary>
    public byte[]? Auxiliary { get; init; }

    public int Created { get; private set; }

    public int Left => _entries.Count;

    /// <summary>Runs once, between our write and our reading of the report.</summary>
    public void Interfere(Action<string> action) => _beforeReport.Enqueue(action);

    public void Create(string entry)
    {
        lock (_entries)
        {
            Created++;
            _entries.Add(entry, (0, []));
        }
    }

    public void Remove(string entry)
    {
        lock (_entries)
        {
            _entries.Remove(entry);
        }
    }

    public byte[] Read(string entry, string attribute, int limit)
    {
        switch (attribute)
        {
            case "provider":
                return Encoding.ASCII.GetBytes(provider + "\n");
            case "generation":
                return Encoding.ASCII.GetBytes(Entry(entry).Generation.ToString(CultureInfo.InvariantCulture) + "\n");
            case "outblob":
                if (_beforeReport.TryDequeue(out Action<string>? action))
                {
                    action(entry);
                }

                byte[] report = makeReport(Entry(entry).InBlob);
                return report.Length <= limit ? report : throw new IOException("too long");
            case "auxblob":
                return Auxiliary ?? throw new FileNotFoundException(attribute);
            default:
                throw new FileNotFoundException(attribute);
        }
    }

    public void Write(string entry, string attribute, ReadOnlySpan<byte> value)
    {
        lock (_entries)
        {
            _entries[entry] = (_entries[entry].Generation + 1, attribute == "inblob" ? value.ToArray() : _entries[entry].InBlob);
        }
    }

    private (ulong Generation, byte[] InBlob) Entry(string entry)
    {
        lock (_entries)
        {
            return _entries[entry];
        }
    }
}
