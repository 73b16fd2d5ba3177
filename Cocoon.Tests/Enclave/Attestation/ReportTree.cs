using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Cocoon.Enclave.Attestation.Tsm;

namespace Cocoon.Tests.Enclave.Attestation;

/// <summary>A folder that behaves like configfs-tsm: a thread of its own plays the kernel behind each entry.</summary>
/// <remarks>
/// Reads and writes are those of <see cref="ConfigfsTsmReports"/> itself. <c>inblob</c> and <c>outblob</c> are pipes, so that, as in
/// configfs, the kernel acts on a write and makes the report while it is being read. Making an entry makes its attributes with it and
/// removing it removes them, which an ordinary folder does not do: that alone is added here.
/// </remarks>
internal sealed partial class ReportTree : ITsmReports, IDisposable
{
    private const int ReportDataSize = 64;
    private const uint OwnerOnly = 0x180;

    private readonly string _root = Directory.CreateTempSubdirectory("cocoon-tsm").FullName;
    private readonly string _provider;
    private readonly Func<byte[], byte[]> _makeReport;
    private readonly ConfigfsTsmReports _reports;
    private readonly Dictionary<string, Thread> _kernels = new(StringComparer.Ordinal);

    public ReportTree(string provider, Func<byte[], byte[]> makeReport)
    {
        _provider = provider;
        _makeReport = makeReport;
        _reports = new ConfigfsTsmReports(_root);
    }

    /// <summary>Put into <c>auxblob</c>; <c>null</c>: the provider has no such attribute.</summary>
    public byte[]? Auxiliary { get; init; }

    /// <summary>In how many entries somebody else writes between our write and our reading.</summary>
    public int Races { get; set; }

    /// <summary>A file that is read instead of the report.</summary>
    public string? OutBlobTarget { get; init; }

    public int Created { get; private set; }

    public int Left => Directory.GetFileSystemEntries(_root).Length;

    public bool IsPresent => _reports.IsPresent;

    public void Create(string entry)
    {
        _reports.Create(entry);
        Created++;
        string folder = Path.Combine(_root, entry);
        File.WriteAllText(Path.Combine(folder, "provider"), _provider + "\n");
        WriteGeneration(folder, 0);
        if (Auxiliary is not null)
        {
            File.WriteAllBytes(Path.Combine(folder, "auxblob"), Auxiliary);
        }

        MakePipe(Path.Combine(folder, "inblob"));
        if (OutBlobTarget is not null)
        {
            File.CreateSymbolicLink(Path.Combine(folder, "outblob"), OutBlobTarget);
        }
        else
        {
            MakePipe(Path.Combine(folder, "outblob"));
        }

        bool isRaced = Races > 0;
        Races -= isRaced ? 1 : 0;
        Thread kernel = new(() => Serve(folder, isRaced)) { IsBackground = true };
        _kernels.Add(entry, kernel);
        kernel.Start();
    }

    public void Remove(string entry)
    {
        string folder = Path.Combine(_root, entry);

        // A kernel that still waits for a partner gets one: ends of both pipes, and data to go on with.
        using (FileStream written = Open(folder, "inblob", FileAccess.ReadWrite))
        using (OutBlobTarget is null ? Open(folder, "outblob", FileAccess.ReadWrite) : null)
        {
            written.Write(new byte[ReportDataSize]);
            _kernels[entry].Join();
        }

        foreach (string attribute in Directory.GetFiles(folder))
        {
            File.Delete(attribute);
        }

        _reports.Remove(entry);
    }

    public byte[] Read(string entry, string attribute, int limit) => _reports.Read(entry, attribute, limit);

    public void Write(string entry, string attribute, ReadOnlySpan<byte> value) => _reports.Write(entry, attribute, value);

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private void Serve(string folder, bool isRaced)
    {
        byte[] data = new byte[ReportDataSize];
        using (FileStream written = Open(folder, "inblob", FileAccess.Read))
        {
            written.ReadExactly(data);
        }

        WriteGeneration(folder, 1);
        if (OutBlobTarget is not null)
        {
            return;
        }

        if (isRaced)
        {
            data.AsSpan().Fill(0xEE);
            WriteGeneration(folder, 2);
        }

        using FileStream report = Open(folder, "outblob", FileAccess.Write);
        report.Write(_makeReport(data));
    }

    private static FileStream Open(string folder, string attribute, FileAccess access) =>
        new(Path.Combine(folder, attribute), FileMode.Open, access, FileShare.ReadWrite, bufferSize: 0);

    // Replaced as a whole: a reader sees the one number or the other.
    private static void WriteGeneration(string folder, int generation)
    {
        string path = Path.Combine(folder, "generation");
        File.WriteAllText(path + ".new", generation.ToString(CultureInfo.InvariantCulture) + "\n", Encoding.ASCII);
        File.Move(path + ".new", path, overwrite: true);
    }

    private static void MakePipe(string path)
    {
        if (mkfifo(path, OwnerOnly) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int mkfifo(string path, uint mode);
}
