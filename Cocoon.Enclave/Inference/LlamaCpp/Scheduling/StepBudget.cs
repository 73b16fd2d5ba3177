namespace Cocoon.Enclave.Inference.LlamaCpp.Scheduling;

/// <summary>How many prompt tokens a step may take so that those who are reading answers do not notice, learnt from the steps so far.</summary>
internal sealed class StepBudget(int capacity, TimeSpan target)
{
    /// <summary>Prefill always advances by at least this much.</summary>
    public const int LeastPrompt = 32;

    /// <summary>Times the target that one step may take for the sake of many.</summary>
    private const int MostOfMany = 5;

    private const double Weight = 0.2;

    private double _secondsPerPromptToken;
    private double _secondsPerDecodeStep;

    /// <summary>0 until measured.</summary>
    public double PrefillTokensPerSecond => _secondsPerPromptToken > 0 ? 1 / _secondsPerPromptToken : 0;

    public double DecodeTokensPerSecond { get; private set; }

    /// <summary>How long that many prompt tokens will take; zero until measured.</summary>
    public TimeSpan ReadingTime(int promptTokens) => TimeSpan.FromSeconds(promptTokens * _secondsPerPromptToken);

    public int PromptTokens(int decoding)
    {
        int room = capacity - decoding;
        if (decoding == 0 || _secondsPerPromptToken <= 0)
        {
            return decoding == 0 ? room : Math.Min(room, 128);
        }

        double seconds = target.TotalSeconds - _secondsPerDecodeStep;
        return Math.Clamp((int)Math.Min(seconds / _secondsPerPromptToken, capacity), Math.Min(LeastPrompt, room), room);
    }

    /// <summary>
    /// For when as many wait for their first token as for their next: then all that is unread at once, if it is short, since one longer step
    /// makes fewer wait less than many short ones.
    /// </summary>
    public int PromptTokensOfMany(int decoding, int unread)
    {
        int budget = PromptTokens(decoding);
        return unread <= capacity - decoding && ReadingTime(unread) is { Ticks: > 0 } time && time <= target * MostOfMany ? Math.Max(budget, unread) : budget;
    }

    public void Learn(TimeSpan time, int promptTokens, int decodeTokens)
    {
        double seconds = time.TotalSeconds;
        if (promptTokens == 0)
        {
            Average(ref _secondsPerDecodeStep, seconds);
            DecodeTokensPerSecond += (DecodeTokensPerSecond == 0 ? 1 : Weight) * ((decodeTokens / seconds) - DecodeTokensPerSecond);
        }
        else if (promptTokens >= LeastPrompt / 2)
        {
            double share = decodeTokens == 0 ? seconds : Math.Max(seconds - _secondsPerDecodeStep, seconds / 4);
            Average(ref _secondsPerPromptToken, share / promptTokens);
        }
    }

    private static void Average(ref double average, double sample) => average += (average == 0 ? 1 : Weight) * (sample - average);
}
