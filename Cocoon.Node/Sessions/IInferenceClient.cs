namespace Cocoon.Node.Sessions;

/// <summary>Gets answers from the network: choose, appraise, pay, unseal. One implementation; the seam keeps HTTP free of peers and money.</summary>
internal interface IInferenceClient
{
    /// <summary>Streams one answer. Ends with <see cref="AnswerPart.Completed"/>.</summary>
    /// <exception cref="InferenceException">The answer could not be had, or ended early.</exception>
    IAsyncEnumerable<AnswerPart> AskAsync(Ask ask, CancellationToken cancellationToken);

    /// <summary>Models on offer now, by name, with the number of providers and the best tier.</summary>
    IReadOnlyList<AvailableModel> Models { get; }
}
