using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LLamaSharp;

if (args is not ["say", var model, .. { Length: > 0 } questions])
{
    Console.Error.WriteLine("usage: say MODEL.gguf \"question\" …");
    return 2;
}

await using LLamaSharpEngine engine = await LLamaSharpEngine.LoadAsync(
    model, Path.GetFileNameWithoutExtension(model), slots: 4, context: 512, threads: 0, gpuLayers: -1, TimeProvider.System, CancellationToken.None);

// All are asked at once; the first answer is seen as it comes, the others after it.
TextWriter[] answers = [Console.Out, .. questions.Skip(1).Select(_ => new StringWriter())];
await Task.WhenAll(questions.Zip(answers, SayAsync));
foreach (TextWriter later in answers.Skip(1))
{
    Console.Write(later);
}

return 0;

async Task SayAsync(string question, TextWriter answer)
{
    GenerationRequest request = new()
    {
        Prompt = new PromptInput.Chat([new ChatMessage("user", question)]),
        Tenant = TenantKey.CreateRandom(),
        Sampling = SamplingOptions.Greedy,
        MaxTokens = 256,
    };
    await foreach (GenerationEvent happened in engine.GenerateAsync(request, CancellationToken.None))
    {
        if (happened is GenerationEvent.Text text)
        {
            await answer.WriteAsync(text.Delta);
        }
    }

    await answer.WriteLineAsync();
}
