namespace Cocoon.Enclave.Attestation.Tsm;

/// <summary>The kernel's folder of attestation reports: entries are folders, their attributes files.</summary>
/// <remarks>A seam for tests alone: a path from outside must never decide where evidence comes from.</remarks>
internal interface ITsmReports
{
    /// <summary>Whether the kernel offers reports and a provider is loaded.</summary>
    bool IsPresent { get; }

    /// <exception cref="IOException">It exists, or the kernel refuses.</exception>
    void Create(string entry);

    void Remove(string entry);

    /// <param name="limit">Bytes read at most.</param>
    /// <exception cref="IOException">With the errno in <see cref="Exception.HResult"/>; <see cref="FileNotFoundException"/> for an attribute that this kernel or provider lacks.</exception>
    byte[] Read(string entry, string attribute, int limit);

    /// <exception cref="IOException">As <see cref="Read"/>.</exception>
    void Write(string entry, string attribute, ReadOnlySpan<byte> value);
}
