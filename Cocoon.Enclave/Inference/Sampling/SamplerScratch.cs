namespace Cocoon.Enclave.Inference.Sampling;

/// <summary>Working memory of sampling, shared by all samplers of one thread.</summary>
internal sealed class SamplerScratch(int vocabulary)
{
    public const int Candidates = 256;

    public float[] Adjusted { get; } = new float[vocabulary];

    public float[] Weights { get; } = new float[vocabulary];

    public float[] Values { get; } = new float[Candidates];

    public int[] Indices { get; } = new int[Candidates];

    public double[] Probabilities { get; } = new double[Candidates];

    /// <summary>For the rare request whose nucleus is wider than <see cref="Candidates"/>.</summary>
    public float[] AllValues => field ??= new float[vocabulary];

    public int[] AllIndices => field ??= new int[vocabulary];

    public double[] AllProbabilities => field ??= new double[vocabulary];
}
