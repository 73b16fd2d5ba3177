using System.Buffers;
using System.Collections.Immutable;
using System.Text;

namespace Cocoon.Enclave.Inference.Grammars;

/// <summary>Follows one text through a grammar. Immutable positions; one thread at a time.</summary>
/// <remarks>
/// All ways of reading the text are followed at once, and calls that wait for the same thing at the same place share one frame (a
/// graph-structured stack, Tomita 1985): time and memory grow with the grammar's size and the text's length where a stack for each way
/// would double with every character. Bounded all the same: <see cref="MaxWork"/> for each token.
/// </remarks>
internal sealed class GrammarMatcher
{
    /// <summary>States entered for one token: some 30 ms.</summary>
    public const int MaxWork = 500_000;

    /// <summary>Besides, for each token of one look at the whole vocabulary, in which everybody's step waits: free text takes about ten states a letter.</summary>
    public const int MaxWorkPerToken = 120;

    // Of a vocabulary many tokens begin with the same letters: what the first ones lead to is kept while it is looked at.
    private const int KeptCharacters = 3;

    private readonly GrammarProgram _program;
    private readonly Stack<(int State, Frame Frame)> _open = [];
    private readonly HashSet<(int State, Frame Frame)> _seen = [];
    private readonly Dictionary<int, Frame> _frames = [];
    private readonly HashSet<(Frame Waiting, Frame Frame)> _links = [];
    private readonly List<(int State, Frame Frame)> _found = [];
    private int _work;

    public GrammarMatcher(GrammarProgram program)
    {
        _program = program;
        _work = MaxWork;
        Enter(program.Starts[program.Root], Frame.Bottom, level: 0);
        Current = new Position(Close(level: 0), []);
    }

    /// <summary>Where the text that was taken has led.</summary>
    public Position Current { get; private set; }

    /// <summary>Whether the text may end here.</summary>
    public bool IsComplete => Current.Pending.IsEmpty && Current.Places.IsComplete;

    /// <summary>Where more bytes would lead; <c>null</c> when they do not fit. They may end within a character.</summary>
    /// <exception cref="EngineException">The grammar can be read in too many ways at once.</exception>
    public Position? Try(ReadOnlySpan<byte> bytes)
    {
        _work = MaxWork;
        return Follow(bytes, isKept: false);
    }

    public void Take(Position position) => Current = position;

    /// <summary>Begins a look at so many tokens from here, each by <see cref="Fits"/>.</summary>
    public void BeginMany(int tokens) => _work = MaxWork + (tokens * MaxWorkPerToken);

    /// <summary>As <see cref="Try"/>, one of many.</summary>
    public bool Fits(ReadOnlySpan<byte> bytes) => Follow(bytes, isKept: true) is not null;

    /// <summary>Ends it: what was kept for it is let go.</summary>
    public void EndMany() => Current.Places.Kept = null;

    private Position? Follow(ReadOnlySpan<byte> bytes, bool isKept)
    {
        Places places = Current.Places;
        byte[]? rented = null;
        if (!Current.Pending.IsEmpty)
        {
            int begun = Current.Pending.Length;
            rented = ArrayPool<byte>.Shared.Rent(begun + bytes.Length);
            Current.Pending.AsSpan().CopyTo(rented);
            bytes.CopyTo(rented.AsSpan(begun));
            bytes = rented.AsSpan(0, begun + bytes.Length);
        }

        try
        {
            for (int i = 0; !bytes.IsEmpty; i++)
            {
                switch (Rune.DecodeFromUtf8(bytes, out Rune rune, out int length))
                {
                    case OperationStatus.Done:
                        if (Next(places, rune.Value, isKept && i < KeptCharacters) is not { } next)
                        {
                            return null;
                        }

                        places = next;
                        bytes = bytes[length..];
                        break;
                    case OperationStatus.NeedMoreData:
                        (int least, int most) = Possible(bytes);
                        return places.Items.Any(item => Overlaps(SetOf(item.State), least, most)) ? new Position(places, [.. bytes]) : null;
                    default:
                        return null;
                }
            }

            return new Position(places, []);
        }
        finally
        {
            if (rented is not null)
            {
                ArrayPool<byte>.Shared.Return(rented, clearArray: true);
            }
        }
    }

    /// <summary>After one more character; <c>null</c> when none of the ways has it.</summary>
    private Places? Next(Places places, int codePoint, bool isKept)
    {
        if (isKept && (places.Kept ??= []).TryGetValue(codePoint, out Places? known))
        {
            return known;
        }

        foreach ((int state, Frame frame) in places.Items)
        {
            Spend(1);
            if (SetOf(state).Contains(codePoint))
            {
                Enter(_program.States[state].Next, frame, places.Level + 1);
            }
        }

        Places? next = _seen.Count == 0 ? null : Close(places.Level + 1);
        if (isKept)
        {
            places.Kept![codePoint] = next;
        }

        return next;
    }

    private void Enter(int state, Frame frame, int level)
    {
        Spend(1);
        if (_seen.Add((state, frame)))
        {
            _open.Push((state, frame));
        }
    }

    /// <summary>Everything that is reached from what was entered without taking a character.</summary>
    private Places Close(int level)
    {
        bool isComplete = false;
        while (_open.TryPop(out (int State, Frame Frame) at))
        {
            GrammarState state = _program.States[at.State];
            switch (state.Step)
            {
                case GrammarStep.Character:
                    _found.Add(at);
                    break;
                case GrammarStep.Split:
                    Enter(state.Next, at.Frame, level);
                    Enter(state.Argument, at.Frame, level);
                    break;
                case GrammarStep.Call:
                    Call(state, at.Frame, level);
                    break;
                case GrammarStep.End when at.Frame == Frame.Bottom:
                    isComplete = true;
                    break;

                // A frame of this very place waits for a rule that took nothing: the call has gone on past it already.
                case GrammarStep.End when at.Frame.Level < level:
                    foreach (Frame waiting in at.Frame.Waiting)
                    {
                        Enter(at.Frame.Return, waiting, level);
                    }

                    break;
            }
        }

        Places places = new([.. _found], isComplete, level);
        Forget();
        return places;
    }

    private void Call(GrammarState call, Frame frame, int level)
    {
        if (_program.IsNullable[call.Argument])
        {
            Enter(call.Next, frame, level);
        }

        // The last call of a rule needs no frame of its own, else a list's frames would be as many as its items.
        if (_program.States[call.Next].Step == GrammarStep.End)
        {
            Enter(_program.Starts[call.Argument], frame, level);
            return;
        }

        if (!_frames.TryGetValue(call.Next, out Frame? waiting))
        {
            _frames[call.Next] = waiting = new Frame(call.Next, level);
        }

        if (_links.Add((waiting, frame)))
        {
            Spend(1);
            waiting.Waiting.Add(frame);
        }

        Enter(_program.Starts[call.Argument], waiting, level);
    }

    private void Spend(int work)
    {
        if ((_work -= work) >= 0)
        {
            return;
        }

        Forget();
        throw new EngineException(EngineErrorCode.InvalidRequest, "the required form of the answer can be read in too many ways at once");
    }

    private void Forget()
    {
        _open.Clear();
        _seen.Clear();
        _frames.Clear();
        _links.Clear();
        _found.Clear();
    }

    private CharacterSet SetOf(int state) => _program.Sets[_program.States[state].Argument];

    private static bool Overlaps(CharacterSet set, int least, int most) => set.Ranges.Any(r => r.From <= most && r.To >= least);

    /// <summary>The code points that a character of which only the first bytes are there may be.</summary>
    private static (int Least, int Most) Possible(ReadOnlySpan<byte> begun)
    {
        (int value, int length) = begun[0] switch
        {
            >= 0xF0 => (begun[0] & 0x07, 4),
            >= 0xE0 => (begun[0] & 0x0F, 3),
            _ => (begun[0] & 0x1F, 2),
        };
        foreach (byte more in begun[1..])
        {
            value = (value << 6) | (more & 0x3F);
        }

        int bits = 6 * (length - begun.Length);
        int least = Math.Max(value << bits, length switch { 4 => 0x10000, 3 => 0x800, _ => 0x80 });
        return (least, Math.Min((value << bits) | ((1 << bits) - 1), CharacterSet.Last));
    }

    /// <summary>A place within a text.</summary>
    /// <param name="Pending">The first bytes of a character that is not complete.</param>
    internal sealed record Position(Places Places, ImmutableArray<byte> Pending);

    /// <summary>The states that wait for a character, each with what waits for its rule.</summary>
    internal sealed class Places((int State, Frame Frame)[] items, bool isComplete, int level)
    {
        public (int State, Frame Frame)[] Items { get; } = items;

        public bool IsComplete { get; } = isComplete;

        /// <summary>Characters before it.</summary>
        public int Level { get; } = level;

        public Dictionary<int, Places?>? Kept { get; set; }
    }

    /// <summary>A return to a state, and all that wait beneath it. Complete once the place that it was made at is left.</summary>
    internal sealed class Frame(int @return, int level)
    {
        public static readonly Frame Bottom = new(-1, -1);

        public int Return { get; } = @return;

        public int Level { get; } = level;

        public List<Frame> Waiting { get; } = [];
    }
}
