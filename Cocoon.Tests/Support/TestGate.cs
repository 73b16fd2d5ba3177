using Cocoon.Enclave.Inference;

namespace Cocoon.Tests.Support;

/// <summary>A gate with a ceiling on prompt and completion tokens that the test raises.</summary>
internal sealed class TestGate(int prompt, int completion) : TokenGate
{
    private int _prompt = prompt;
    private int _completion = completion;
    private TaskCompletionSource _refused = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The largest counts that were ever allowed.</summary>
    public (int Prompt, int Completion) Granted { get; private set; }

    public override bool TryReserve(int promptTokens, int cachedTokens, int completionTokens)
    {
        if (promptTokens > Volatile.Read(ref _prompt) || completionTokens > Volatile.Read(ref _completion))
        {
            _refused.TrySetResult();
            return false;
        }

        Granted = (promptTokens, completionTokens);
        return true;
    }

    /// <summary>Completes when the gate says no; a new one after each <see cref="Raise"/>.</summary>
    public Task Refused => Volatile.Read(ref _refused).Task;

    public void Raise(int prompt, int completion)
    {
        Volatile.Write(ref _refused, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        Volatile.Write(ref _prompt, prompt);
        Volatile.Write(ref _completion, completion);
        Reopen();
    }
}
