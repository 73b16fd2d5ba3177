using System.Text.Json;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Identity;

namespace Cocoon.Node.Peers;

/// <summary>Names that this node's owner gave to peers; they are local and never leave the machine.</summary>
/// <remarks>Thread-safe; kept in <c>names.json</c>, durable when <see cref="Set"/> returns. Bounded.</remarks>
internal sealed class PeerNames
{
    public const int MaxNames = 4096;
    public const int MaxLength = 32;

    private const int MaxFileBytes = 1 << 20;

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private readonly Lock _lock = new();
    private readonly string _path;
    private readonly Dictionary<PeerId, string> _names = [];

    /// <exception cref="StorageException">The file cannot be read; nothing is overwritten.</exception>
    public PeerNames(DataDirectory directory)
    {
        _path = directory.File("names.json");
        if (!File.Exists(_path))
        {
            return;
        }

        try
        {
            foreach ((string peer, string name) in JsonSerializer.Deserialize<Dictionary<string, string>>(PrivateFile.Read(_path, MaxFileBytes)) ?? [])
            {
                if (PeerId.TryParse(peer, out PeerId? id) && IsName(name) && _names.Count < MaxNames)
                {
                    _names[id] = name;
                }
            }
        }
        catch (JsonException inner)
        {
            throw new StorageException(StorageErrorCode.Corrupt, $"{_path} is no list of names: mend or remove it.", inner);
        }
    }

    public string? Find(PeerId peer)
    {
        lock (_lock)
        {
            return _names.GetValueOrDefault(peer);
        }
    }

    public PeerId? Find(string name)
    {
        lock (_lock)
        {
            return _names.FirstOrDefault(n => string.Equals(n.Value, name, StringComparison.OrdinalIgnoreCase)).Key;
        }
    }

    public IReadOnlyList<PeerId> Peers
    {
        get
        {
            lock (_lock)
            {
                return [.. _names.Keys];
            }
        }
    }

    /// <param name="name"><c>null</c> takes the name away.</param>
    /// <returns><c>false</c> when another peer has the name, or there are too many.</returns>
    /// <exception cref="ArgumentException">Not a name.</exception>
    public bool Set(PeerId peer, string? name)
    {
        if (name is not null && !IsName(name))
        {
            throw new ArgumentException("Not a name for a peer.", nameof(name));
        }

        lock (_lock)
        {
            if (name is not null && (_names.Any(n => n.Key != peer && string.Equals(n.Value, name, StringComparison.OrdinalIgnoreCase))
                || (_names.Count >= MaxNames && !_names.ContainsKey(peer))))
            {
                return false;
            }

            Dictionary<PeerId, string> next = new(_names);
            if (name is null)
            {
                next.Remove(peer);
            }
            else
            {
                next[peer] = name;
            }

            PrivateFile.Write(_path, JsonSerializer.SerializeToUtf8Bytes(next.ToDictionary(n => n.Key.ToString(), n => n.Value), Indented));
            _names.Clear();
            foreach ((PeerId id, string given) in next)
            {
                _names[id] = given;
            }

            return true;
        }
    }

    /// <summary>Letters, digits, '.', '_' and '-', beginning with a letter or digit; nothing that could be taken for a peer id.</summary>
    public static bool IsName(string name) =>
        name.Length is > 0 and <= MaxLength
        && char.IsAsciiLetterOrDigit(name[0])
        && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-')
        && !name.StartsWith("12D3Koo", StringComparison.Ordinal)
        && !PeerId.TryParse(name, out _);
}
