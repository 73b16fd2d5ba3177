namespace Cocoon.Enclave.Attestation.Tsm;

/// <summary><c>/sys/kernel/config/tsm/report</c> (Linux 6.7 and later, configfs mounted, run as root).</summary>
/// <param name="root">Another folder: for tests alone.</param>
internal sealed class ConfigfsTsmReports(string root = ConfigfsTsmReports.Folder) : ITsmReports
{
    public const string Folder = "/sys/kernel/config/tsm/report";

    public bool IsPresent => Directory.Exists(root);

    public void Create(string entry) => Directory.CreateDirectory(Path.Combine(root, entry));

    public void Remove(string entry) => Directory.Delete(Path.Combine(root, entry));

    public byte[] Read(string entry, string attribute, int limit)
    {
        // Attributes say that they are 4 KiB or 0 bytes long, whatever they hold: read to the end.
        using FileStream file = new(Path.Combine(root, entry, attribute), FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        byte[] buffer = new byte[limit + 1];
        int length = file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        return length <= limit ? buffer[..length] : throw new IOException($"{attribute} is longer than {limit} bytes");
    }

    public void Write(string entry, string attribute, ReadOnlySpan<byte> value)
    {
        // One write: the kernel takes each write as the whole value.
        using FileStream file = new(Path.Combine(root, entry, attribute), FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        file.Write(value);
    }
}
