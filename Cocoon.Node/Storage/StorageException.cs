namespace Cocoon.Node.Storage;

/// <summary>The data directory or its database cannot be used; the message says why and what to do.</summary>
internal sealed class StorageException(StorageErrorCode code, string message, Exception? inner = null) : IOException(message, inner)
{
    public StorageErrorCode Code { get; } = code;
}

internal enum StorageErrorCode
{
    /// <summary>Another process holds the data directory.</summary>
    InUse,

    /// <summary>Others may read or write the directory or a secret in it.</summary>
    Permissions,

    /// <summary>The file is a database of another program.</summary>
    Foreign,

    /// <summary>Written by a newer version of Cocoon.</summary>
    NewerSchema,

    /// <summary>The disk refused a write; nothing of that batch was kept.</summary>
    WriteFailed,

    /// <summary>A stored value cannot be read as what it should be.</summary>
    Corrupt,

    /// <summary>Something of that name is there already.</summary>
    Exists,

    /// <summary>There is no place for one more.</summary>
    Full,
}
