using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Adnl;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Tl;

namespace Cocoon.Protocol.Ton.LiteClient;

/// <summary>The masterchain's validators that a key block's configuration puts in charge.</summary>
/// <remarks>Parameter 35 (a temporary set) before 34; the first <c>main</c> of the list; in the order of the shuffle where parameter 28 asks for one.</remarks>
internal sealed class ValidatorSet
{
    /// <summary>As in the node; mainnet has about 400, of which 100 are main.</summary>
    private const int MaxValidators = 1024;

    private const int CatchainParameter = 28;
    private const int CurrentParameter = 34;
    private const int TemporaryParameter = 35;

    private readonly Validator[] _list;
    private readonly bool _shuffled;

    private ValidatorSet(Validator[] list, bool shuffled, uint until)
    {
        _list = list;
        _shuffled = shuffled;
        Until = until;
    }

    /// <summary>End of the set's term, Unix seconds. A set whose successor was not elected goes on after it.</summary>
    public uint Until { get; }

    /// <exception cref="TonException">The proof does not show the set in force, or the set is malformed.</exception>
    public static ValidatorSet Read(ProvenBlock keyBlock)
    {
        // That there is no temporary set must be shown too: left out, it could hide the set in force.
        if (!keyBlock.TryGetConfig(TemporaryParameter, out Cell? set) && !keyBlock.TryGetConfig(CurrentParameter, out set))
        {
            throw Invalid("the configuration names no validators");
        }

        if (!keyBlock.TryGetConfig(CatchainParameter, out Cell? catchain))
        {
            throw Invalid("the configuration does not say how validators are ordered");
        }

        return Read(set, ReadShuffle(catchain.BeginParse()));
    }

    /// <summary>The set in the order of one session, and its short hash.</summary>
    public (IReadOnlyList<Validator> Validators, uint ShortHash) Of(uint catchainSeqno)
    {
        Validator[] ordered = _shuffled ? Shuffle(catchainSeqno) : _list;
        TlWriter hashed = new TlWriter().UInt32(TlConstructors.ValidatorSet).UInt32(catchainSeqno).UInt32((uint)ordered.Length);
        foreach (Validator validator in ordered)
        {
            hashed.Int256(new CellHash(validator.Key.Bytes)).UInt64(validator.Weight).Int256(validator.AdnlAddress);
        }

        return (ordered, Checksums.Crc32C(hashed.ToArray()));
    }

    private static bool ReadShuffle(CellSlice catchain) => catchain.LoadUInt(8) switch
    {
        0xC1 => false,
        0xC2 when catchain.LoadUInt(7) == 0 => catchain.LoadBit(),
        _ => throw Invalid("unknown form of the catchain configuration"),
    };

    /// <summary><c>validators#11</c> and <c>validators_ext#12 utime_since utime_until total main [total_weight] list</c>.</summary>
    private static ValidatorSet Read(Cell cell, bool shuffled)
    {
        CellSlice slice = cell.BeginParse();
        ulong form = slice.LoadUInt(8);
        if (form is not (0x11 or 0x12))
        {
            throw Invalid("unknown form of the validator set");
        }

        slice.LoadUInt32();
        uint until = slice.LoadUInt32();
        int total = (int)slice.LoadUInt(16);
        int main = (int)slice.LoadUInt(16);
        if (main < 1 || main > total || total > MaxValidators)
        {
            throw Invalid($"validator set with {main} of {total} validators");
        }

        ulong? declared = form == 0x12 ? slice.LoadUInt64() : null;
        Cell? root = form == 0x12 ? slice.LoadMaybeReference() : slice.RemainderToCell();
        List<Validator> list = new(total);
        UInt128 weight = 0;
        foreach ((byte[] key, CellSlice value) in HashmapReader.Enumerate(root, 16, MaxValidators))
        {
            if (((key[0] << 8) | key[1]) != list.Count)
            {
                throw Invalid("validator set whose list has gaps");
            }

            list.Add(Validator.Read(value));
            weight += list[^1].Weight;
        }

        return list.Count == total && weight <= ulong.MaxValue && (declared is null || declared == (ulong)weight)
            ? new ValidatorSet([.. list[..main]], shuffled, until)
            : throw Invalid("validator set whose count or weight is not the one it declares");
    }

    private Validator[] Shuffle(uint catchainSeqno)
    {
        ValidatorShuffle random = new(BlockId.WholeShard, BlockId.Masterchain, catchainSeqno);
        int[] order = new int[_list.Length];
        for (int i = 0; i < order.Length; i++)
        {
            int j = random.Next(i + 1);
            order[i] = order[j];
            order[j] = i;
        }

        return Array.ConvertAll(order, index => _list[index]);
    }

    private static TonException Invalid(string message) => new(TonErrorCode.ProofInvalid, message);

    internal sealed record Validator(Ed25519PublicKey Key, ulong Weight, CellHash AdnlAddress)
    {
        /// <summary>How signatures name it: the ADNL id of its key.</summary>
        public CellHash ShortId { get; } = AdnlHandshake.KeyId(Key.Bytes);

        /// <summary><c>validator#53</c> and <c>validator_addr#73 public_key weight [adnl_addr]</c>.</summary>
        public static Validator Read(CellSlice slice)
        {
            ulong form = slice.LoadUInt(8);
            if (form is not (0x53 or 0x73) || slice.LoadUInt32() != 0x8E81278A)
            {
                throw Invalid("unknown form of a validator");
            }

            Ed25519PublicKey key = new(slice.LoadBytes(Ed25519PublicKey.Size));
            return new Validator(key, slice.LoadUInt64(), form == 0x73 ? slice.LoadHash() : default);
        }
    }
}
