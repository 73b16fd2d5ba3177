namespace Cocoon.Node.Models;

internal enum ModelErrorCode
{
    /// <summary>No such model, file, repository or quantisation.</summary>
    NotFound = 1,

    /// <summary>The source is none that is understood.</summary>
    BadSource = 2,

    /// <summary>The enclave's reader refuses the file.</summary>
    Refused = 3,

    /// <summary>The bytes are not those that were announced.</summary>
    DigestMismatch = 4,

    /// <summary>The server, or the way to it.</summary>
    Network = 5,

    NoSpace = 6,

    /// <summary>The name is taken by other files.</summary>
    NameTaken = 7,
}

/// <summary>A model could not be had, kept or read: what, why, and what to do.</summary>
internal sealed class ModelException(ModelErrorCode code, string what, string? why = null, string? fix = null, Exception? inner = null) : Exception(what, inner)
{
    public ModelErrorCode Code { get; } = code;

    public string? Why { get; } = why;

    public string? Fix { get; } = fix;
}
