using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Cocoon.Protocol.Attestation;

namespace Cocoon.Enclave.Attestation.Tsm;

/// <summary>A report from the kernel.</summary>
/// <param name="Evidence">The quote (TDX) or report (SEV-SNP).</param>
/// <param name="Auxiliary">SEV-SNP's certificate table, as the host put it there; empty when there is none.</param>
internal sealed record TsmReport(EvidenceKind Kind, byte[] Evidence, byte[] Auxiliary);

/// <summary>Asks the kernel for a report about given data, and knows that it is about these.</summary>
/// <remarks>
/// <c>Documentation/ABI/testing/configfs-tsm</c>: <c>generation</c> grows by one with each write to an entry, so reading it before and
/// after tells whether somebody else wrote in between. A TDX quote takes about a second, as the driver polls.
/// </remarks>
internal sealed class TsmReportReader(ITsmReports reports, TimeProvider time)
{
    public const int MaxAttempts = 8;

    private const int MaxAuxiliary = 64 << 10;
    private const int MaxWord = 64;
    private const int Interrupted = 4;
    private const int Busy = 16;
    private const int TimedOut = 110;
    private static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(100);

    public bool IsPresent => reports.IsPresent;

    /// <summary>The kind of hardware behind the kernel's interface; <c>null</c> when there is none that is known here.</summary>
    public EvidenceKind? FindKind()
    {
        if (!reports.IsPresent)
        {
            return null;
        }

        try
        {
            return InEntry(entry => KindOf(ReadWord(entry, "provider")));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <param name="reportData">64 bytes.</param>
    /// <exception cref="TsmException">No report of this kind about these data could be had.</exception>
    public async Task<TsmReport> ReadAsync(EvidenceKind kind, ReadOnlyMemory<byte> reportData, CancellationToken cancellationToken)
    {
        string last = "";
        for (int attempt = 0; attempt < MaxAttempts; attempt++)
        {
            if (attempt > 0)
            {
                await Task.Delay(FirstWait * (1 << (attempt - 1)), time, cancellationToken);
            }

            try
            {
                if (InEntry(entry => TryRead(entry, kind, reportData.Span)) is { } report)
                {
                    return report;
                }

                last = "others kept writing to the entry";
            }
            catch (IOException e) when (IsTransient(e))
            {
                last = e.Message;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new TsmException("the kernel gives no report: " + e.Message, e);
            }
        }

        throw new TsmException($"no report after {MaxAttempts} attempts: {last}");
    }

    /// <summary><c>null</c> when somebody else used the entry meanwhile.</summary>
    private TsmReport? TryRead(string entry, EvidenceKind kind, ReadOnlySpan<byte> reportData)
    {
        string provider = ReadWord(entry, "provider");
        if (KindOf(provider) != kind)
        {
            throw new TsmException($"the kernel's provider is {provider}, not one for {kind.Word()}");
        }

        ulong before = Generation(entry);
        reports.Write(entry, "inblob", reportData);
        byte[] evidence = reports.Read(entry, "outblob", EvidenceBundle.MaxEvidence);
        byte[] auxiliary = kind == EvidenceKind.AmdSevSnp ? ReadAuxiliary(entry) : [];
        return Generation(entry) == before + 1 ? new TsmReport(kind, evidence, auxiliary) : null;
    }

    private byte[] ReadAuxiliary(string entry)
    {
        try
        {
            return reports.Read(entry, "auxblob", MaxAuxiliary);
        }
        catch (FileNotFoundException)
        {
            return [];
        }
    }

    private T InEntry<T>(Func<string, T> work)
    {
        string entry = "cocoon-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
        reports.Create(entry);
        try
        {
            return work(entry);
        }
        finally
        {
            reports.Remove(entry);
        }
    }

    private ulong Generation(string entry) =>
        ulong.TryParse(ReadWord(entry, "generation"), NumberStyles.None, CultureInfo.InvariantCulture, out ulong generation)
            ? generation
            : throw new TsmException("the kernel's generation is no number");

    private string ReadWord(string entry, string attribute) => Encoding.ASCII.GetString(reports.Read(entry, attribute, MaxWord)).Trim();

    private static EvidenceKind? KindOf(string provider) => provider switch
    {
        "tdx_guest" => EvidenceKind.IntelTdx,
        "sev_guest" => EvidenceKind.AmdSevSnp,
        _ => null,
    };

    // .NET keeps the errno in the low bits of an IOException's HResult.
    private static bool IsTransient(IOException e) => (e.HResult & 0xFFFF) is Interrupted or Busy or TimedOut;
}

/// <summary>The kernel gave no report, for a reason that the machine's owner can read.</summary>
internal sealed class TsmException(string message, Exception? inner = null) : Exception(message, inner);
