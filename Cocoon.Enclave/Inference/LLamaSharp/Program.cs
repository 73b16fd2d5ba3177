using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LLamaSharp;

if (args is not ["say", var model, var question])
{
    Console.Error.WriteLine("usage: say MODEL.gguf \"question\"");
    return 2;
}

await using LLamaSharpEngine engine = await LLamaSharpEngine.LoadAsync(
    model, Path.GetFileNameWithoutExtension(model), slots: 4, context: 512, threads: 0, gpuLayers: -1, TimeProvider.System, CancellationToken.None);
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
        Console.Write(text.Delta);
    }
}

Console.WriteLine();
return 0;
