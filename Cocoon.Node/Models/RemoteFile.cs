namespace Cocoon.Node.Models;

/// <summary>A file to download.</summary>
/// <param name="Name">The name to keep it under, without folder.</param>
/// <param name="Size">Bytes, when the source says so.</param>
/// <param name="Sha256">64 lower-case hexadecimal digits, when the source says so.</param>
internal sealed record RemoteFile(Uri Address, string Name, long? Size, string? Sha256);
