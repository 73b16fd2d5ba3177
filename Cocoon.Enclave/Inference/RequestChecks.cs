namespace Cocoon.Enclave.Inference;

/// <summary>Ranges of a request's numbers, the same for every engine.</summary>
internal static class RequestChecks
{
    public const int MaxChoices = 8;
    public const int MaxTopLogprobs = 20;
    public const int MaxLogitBias = 1024;
    public const int MaxPenaltyWindow = 8192;

    /// <summary>OpenAI's limit of one embedding request.</summary>
    public const int MaxInputs = 2048;

    /// <exception cref="EngineException">The first value outside its range, named as OpenAI names it.</exception>
    public static void Verify(GenerationRequest request, int vocabulary, int slots)
    {
        SamplingOptions s = request.Sampling;
        Within("temperature", s.Temperature, 0, 100);
        Within("top_p", s.TopP, float.Epsilon, 1);
        Within("min_p", s.MinP, 0, 1);
        Within("top_k", s.TopK, 0, int.MaxValue);
        Within("frequency_penalty", s.FrequencyPenalty, -2, 2);
        Within("presence_penalty", s.PresencePenalty, -2, 2);
        Within("repetition_penalty", s.RepetitionPenalty, 0.01, 10);
        Within("penalty window", s.PenaltyWindow, 0, MaxPenaltyWindow);
        Within("top_logprobs", s.TopLogprobs, 0, MaxTopLogprobs);
        Within("n", request.Choices, 1, Math.Min(MaxChoices, slots));
        Within("max_tokens", request.MaxTokens ?? 1, 0, int.MaxValue);
        Within("logit_bias entries", s.LogitBias.Count, 0, MaxLogitBias);
        foreach ((int token, float bias) in s.LogitBias)
        {
            Within("logit_bias token", token, 0, vocabulary - 1);
            Within("logit_bias", bias, -100, 100);
        }
    }

    private static void Within(string name, double value, double least, double most)
    {
        // The comparison is written so that NaN fails it.
        if (!(value >= least && value <= most))
        {
            throw new EngineException(EngineErrorCode.InvalidRequest, $"{name} is outside {(least == float.Epsilon ? 0 : least)} to {most}");
        }
    }
}
