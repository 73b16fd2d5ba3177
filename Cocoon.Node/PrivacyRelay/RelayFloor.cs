using Cocoon.Node.Storage;
using Cocoon.Protocol.PrivacyRelay;

namespace Cocoon.Node.PrivacyRelay;

/// <summary>
/// The number of relays that this client never goes below. It only grows by itself: one direct stream about a channel would tell the
/// provider the address that earlier ones hid.
/// </summary>
/// <remarks>Thread-safe. Kept in the data directory, because channels outlive a run.</remarks>
internal sealed class RelayFloor
{
    private const string FileName = "relays";

    private readonly Lock _lock = new();
    private readonly string _path;
    private volatile int _value;

    /// <param name="fixedValue">What the owner says, which also lowers it; <c>null</c>: as it was.</param>
    /// <exception cref="StorageException">The file can be read by others, or is none of ours.</exception>
    public RelayFloor(DataDirectory directory, int? fixedValue)
    {
        _path = directory.File(FileName);
        _value = File.Exists(_path) ? Parse(PrivateFile.Read(_path, 1)) : 0;
        if (fixedValue is { } value && value != _value)
        {
            Store(value);
        }
    }

    public int Value => _value;

    /// <summary>At least this many from now on; durable when it returns.</summary>
    /// <returns>Whether it was fewer before.</returns>
    public bool RaiseTo(int relays)
    {
        if (relays <= _value)
        {
            return false;
        }

        lock (_lock)
        {
            bool isMore = relays > _value;
            if (isMore)
            {
                Store(relays);
            }

            return isMore;
        }
    }

    private void Store(int value)
    {
        PrivateFile.Write(_path, [(byte)('0' + value)]);
        _value = value;
    }

    private int Parse(byte[] content) => content is [>= (byte)'0' and <= (byte)('0' + RelayProtocol.MaxRelays)]
        ? content[0] - '0'
        : throw new StorageException(StorageErrorCode.Corrupt, $"{_path} does not hold a number of relays.");
}
