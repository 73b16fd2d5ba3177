using System.Runtime.InteropServices;
using Cocoon.Enclave.Inference.LlamaCpp.Interop;

namespace Cocoon.Enclave.Inference.LlamaCpp;

/// <summary>llama.cpp's matcher of one grammar at one place in a text. Confined to one thread at a time.</summary>
/// <remarks>llama.cpp aborts the process on a token that does not fit: <see cref="Accept"/> only what <see cref="Allows"/> said yes to.</remarks>
internal sealed unsafe class LlamaGrammar : SafeHandle
{
    private LlamaGrammar(nint handle)
        : base(0, ownsHandle: true) => SetHandle(handle);

    public override bool IsInvalid => handle == 0;

    /// <summary><c>null</c> when llama.cpp cannot use it: malformed, or left-recursive.</summary>
    public static LlamaGrammar? TryCreate(nint vocab, string gbnf)
    {
        nint created = LlamaNative.llama_sampler_init_grammar(vocab, gbnf, "root");
        return created == 0 ? null : new LlamaGrammar(created);
    }

    public bool Allows(int token)
    {
        LlamaTokenData one = new() { id = token };
        Apply(&one, 1);
        return !float.IsNegativeInfinity(one.logit);
    }

    /// <summary>Gives every candidate that does not fit the logit of negative infinity.</summary>
    public void Apply(Span<LlamaTokenData> candidates)
    {
        fixed (LlamaTokenData* first = candidates)
        {
            Apply(first, candidates.Length);
        }
    }

    public void Accept(int token) => LlamaNative.llama_sampler_accept(handle, token);

    protected override bool ReleaseHandle()
    {
        LlamaNative.llama_sampler_free(handle);
        return true;
    }

    private void Apply(LlamaTokenData* first, int count)
    {
        LlamaTokenDataArray array = new() { data = first, size = (nuint)count, selected = -1 };
        LlamaNative.llama_sampler_apply(handle, &array);
    }
}
