namespace Cocoon.Enclave.Inference.Sampling;

/// <summary>Where in a character a stream of bytes is (RFC 3629, so no overlong forms and no surrogates).</summary>
internal struct Utf8Tail
{
    private byte _missing;
    private byte _least;
    private byte _most;

    /// <summary>Takes the next byte; <c>false</c> when no text has it there.</summary>
    public bool Push(byte value)
    {
        if (_missing > 0)
        {
            bool fits = value >= _least && value <= _most;
            (_missing, _least, _most) = ((byte)(_missing - 1), 0x80, 0xBF);
            return fits;
        }

        (_missing, _least, _most) = value switch
        {
            < 0x80 => ((byte)0, (byte)0x80, (byte)0xBF),
            >= 0xC2 and <= 0xDF => ((byte)1, (byte)0x80, (byte)0xBF),
            0xE0 => ((byte)2, (byte)0xA0, (byte)0xBF),
            0xED => ((byte)2, (byte)0x80, (byte)0x9F),
            >= 0xE1 and <= 0xEF => ((byte)2, (byte)0x80, (byte)0xBF),
            0xF0 => ((byte)3, (byte)0x90, (byte)0xBF),
            >= 0xF1 and <= 0xF3 => ((byte)3, (byte)0x80, (byte)0xBF),
            0xF4 => ((byte)3, (byte)0x80, (byte)0x8F),
            _ => ((byte)0, (byte)1, (byte)0),
        };
        return _least <= _most;
    }

    public bool Push(ReadOnlySpan<byte> values)
    {
        foreach (byte value in values)
        {
            if (!Push(value))
            {
                return false;
            }
        }

        return true;
    }
}
