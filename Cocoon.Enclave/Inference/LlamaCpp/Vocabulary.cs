using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using Cocoon.Enclave.Inference.LlamaCpp.Interop;

namespace Cocoon.Enclave.Inference.LlamaCpp;

/// <summary>A model's tokens: bytes of each, which end an answer, and text to tokens. Immutable and safe for concurrent use.</summary>
/// <remarks>Pieces are copied out once, so that the decode loop asks native code for nothing but logits.</remarks>
internal sealed unsafe class Vocabulary
{
    private const int AttributeUnknown = 1 << 0;
    private const int AttributeControl = 1 << 3;
    private const int AttributeUserDefined = 1 << 4;

    // llama_vocab_type of llama.cpp: byte pair encoding, the one kind with pre-tokenizers.
    private const int BytePairs = 2;

    private readonly nint _vocab;
    private readonly byte[] _pieces;
    private readonly int[] _offsets;
    private readonly bool[] _ends;
    private readonly bool _hasPreTokenizer;
    private readonly Dictionary<int, byte[]> _control = [];

    public Vocabulary(nint vocab)
    {
        _vocab = vocab;
        Count = LlamaNative.llama_vocab_n_tokens(vocab);
        Bos = LlamaNative.llama_vocab_bos(vocab);
        AddsBos = LlamaNative.llama_vocab_get_add_bos(vocab) != 0 && Bos >= 0;
        _hasPreTokenizer = LlamaNative.llama_vocab_type(vocab) == BytePairs;
        _offsets = new int[Count + 1];
        _ends = new bool[Count];
        ArrayBufferWriter<byte> pieces = new(Count * 4);
        List<(string Text, int Id)> specials = [];
        List<string> structural = [];
        for (int token = 0; token < Count; token++)
        {
            _offsets[token] = pieces.WrittenCount;
            pieces.Write(NativePiece(token, special: false));
            _ends[token] = LlamaNative.llama_vocab_is_eog(vocab, token) != 0;
            int attributes = LlamaNative.llama_vocab_get_attr(vocab, token);
            if ((attributes & (AttributeControl | AttributeUnknown | AttributeUserDefined)) == 0)
            {
                continue;
            }

            string text = Encoding.UTF8.GetString(NativePiece(token, special: true));
            if (text.Length > 0)
            {
                specials.Add((text, token));
                if ((attributes & AttributeControl) != 0 && !_ends[token])
                {
                    _control[token] = Encoding.UTF8.GetBytes(text);
                }

                if ((attributes & AttributeUserDefined) != 0 && IsMarkup(text))
                {
                    structural.Add(text);
                }
            }
        }

        _offsets[Count] = pieces.WrittenCount;
        _pieces = pieces.WrittenSpan.ToArray();
        Specials = new SpecialTokens(specials);
        Structural = new SpecialTokens([.. structural.Select(s => (s, 0))]);
    }

    public int Count { get; }

    public int Bos { get; }

    /// <summary>Whether the model expects its begin token before everything.</summary>
    public bool AddsBos { get; }

    /// <summary>Tokens that template text may name: control, unknown and user-defined ones.</summary>
    public SpecialTokens Specials { get; }

    /// <summary>User-defined tokens shaped like markup (<c>&lt;think&gt;</c>, <c>[TOOL]</c>): llama.cpp finds these even in plain text.</summary>
    public SpecialTokens Structural { get; }

    public string BosText => Bos >= 0 && Bos < Count ? Encoding.UTF8.GetString(NativePiece(Bos, special: true)) : "";

    public string EosText => LlamaNative.llama_vocab_eos(_vocab) is >= 0 and var eos && eos < Count ? Encoding.UTF8.GetString(NativePiece(eos, special: true)) : "";

    /// <summary>Bytes the token adds to the text; empty for control tokens.</summary>
    public ReadOnlySpan<byte> Piece(int token) => _pieces.AsSpan(_offsets[token], _offsets[token + 1] - _offsets[token]);

    /// <summary>As <see cref="Piece"/>, but control tokens that end nothing have their text.</summary>
    public ReadOnlySpan<byte> SpecialPiece(int token) => _control.TryGetValue(token, out byte[]? text) ? text : Piece(token);

    public ReadOnlyMemory<byte> PieceMemory(int token) => _pieces.AsMemory(_offsets[token], _offsets[token + 1] - _offsets[token]);

    /// <summary>Whether the token ends an answer.</summary>
    public bool IsEnd(int token) => _ends[token];

    /// <summary>Tokens of plain text: control tokens in it are text. User-defined ones are still found; callers split those first.</summary>
    public void Tokenize(ReadOnlySpan<char> text, List<int> tokens)
    {
        while (!text.IsEmpty)
        {
            int length = _hasPreTokenizer ? WordBreaks.FirstPiece(text) : text.Length;
            Tokenize(text[..length], tokens, isWhole: false);
            text = text[length..];
        }
    }

    /// <summary>A whole input with whatever begin and end tokens the model's file asks for: how embedding models read.</summary>
    public int[] TokenizeWhole(ReadOnlySpan<char> text)
    {
        List<int> tokens = [];
        if (!_hasPreTokenizer || WordBreaks.FirstPiece(text) == text.Length)
        {
            Tokenize(text, tokens, isWhole: true);
            return [.. tokens];
        }

        // Of a text in pieces llama.cpp would frame each one: what it sets around a single letter stands around all of them.
        List<int> letter = [];
        List<int> framed = [];
        Tokenize("a", letter, isWhole: false);
        Tokenize("a", framed, isWhole: true);
        int before = CollectionsMarshal.AsSpan(framed).IndexOf(CollectionsMarshal.AsSpan(letter));
        tokens.AddRange(framed[..Math.Max(0, before)]);
        Tokenize(text, tokens);
        tokens.AddRange(before < 0 ? [] : framed[(before + letter.Count)..]);
        return [.. tokens];
    }

    private void Tokenize(ReadOnlySpan<char> text, List<int> tokens, bool isWhole)
    {
        if (text.IsEmpty)
        {
            return;
        }

        byte[] utf8 = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(text.Length));
        int length = Encoding.UTF8.GetBytes(text, utf8);
        int[] ids = ArrayPool<int>.Shared.Rent(length + 16);
        try
        {
            fixed (byte* source = utf8)
            fixed (int* target = ids)
            {
                int count = LlamaNative.llama_tokenize(_vocab, source, length, target, ids.Length, addSpecial: isWhole ? (byte)1 : (byte)0, parseSpecial: 0);
                if (count < 0)
                {
                    throw new EngineException(EngineErrorCode.InvalidRequest, "the text cannot be tokenized");
                }

                tokens.AddRange(ids.AsSpan(0, count));
            }
        }
        finally
        {
            utf8.AsSpan(0, length).Clear();
            ArrayPool<byte>.Shared.Return(utf8);
            ArrayPool<int>.Shared.Return(ids, clearArray: true);
        }
    }

    private static bool IsMarkup(string text) =>
        text.Length >= 3 && ((text[0] == '<' && text[^1] == '>') || (text[0] == '[' && text[^1] == ']')) && !text.Any(char.IsWhiteSpace);

    private ReadOnlySpan<byte> NativePiece(int token, bool special)
    {
        byte[] buffer = new byte[64];
        while (true)
        {
            int length;
            fixed (byte* target = buffer)
            {
                length = LlamaNative.llama_token_to_piece(_vocab, token, target, buffer.Length, 0, special ? (byte)1 : (byte)0);
            }

            if (length >= 0)
            {
                return buffer.AsSpan(0, length);
            }

            buffer = new byte[-length];
        }
    }
}
