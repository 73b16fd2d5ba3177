namespace Cocoon.Enclave.Inference.Sampling;

/// <summary>Which tokens may come next in one answer. Belongs to the decode thread, like the sampler that asks it.</summary>
internal abstract class TokenConstraint : IDisposable
{
    public abstract bool Allows(int token);

    /// <summary>Sets the logit of every token that may not come next to negative infinity.</summary>
    public abstract void Mask(Span<float> logits);

    /// <summary>Takes a token that <see cref="Allows"/> said yes to.</summary>
    public abstract void Accept(int token);

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
    }
}
