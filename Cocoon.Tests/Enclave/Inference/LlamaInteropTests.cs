using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp.Interop;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference;

public sealed class LlamaInteropTests
{
    [Test]
    public void AbiGuard_PinnedLibraries_AreAccepted()
    {
        TestEngine.RequireNatives();
        LlamaRuntime runtime = LlamaRuntime.Load(null, NullLogger.Instance);
        Assert.That(runtime.Version, Does.StartWith("0.5."));
        AbiGuard.CheckDefaults(LlamaNative.llama_model_default_params());
        AbiGuard.CheckDefaults(LlamaNative.llama_context_default_params());
    }

    [Test]
    public void AbiGuard_FieldsThatMoved_AreNamed()
    {
        TestEngine.RequireNatives();
        LlamaRuntime.Load(null, NullLogger.Instance);
        LlamaContextParams context = LlamaNative.llama_context_default_params();
        (context.n_outputs_max, context.n_outputs_max_per_seq) = (context.n_outputs_max_per_seq, context.n_outputs_max);
        EngineException error = Assert.Throws<EngineException>(() => AbiGuard.CheckDefaults(context))!;
        Assert.That(error.Code, Is.EqualTo(EngineErrorCode.NativesUnsupported));
        Assert.That(error.Message, Does.Contain("n_outputs_max"));
        LlamaModelParams model = LlamaNative.llama_model_default_params();
        (model.split_mode, model.load_mode) = (model.load_mode, model.split_mode);
        Assert.That(Assert.Throws<EngineException>(() => AbiGuard.CheckDefaults(model))!.Message, Does.Contain("split_mode"));
    }

    [TestCase("0.6.0")]
    [TestCase("")]
    [TestCase("b9842")]
    public void AbiGuard_UnknownRelease_IsRefused(string version) =>
        Assert.That(Assert.Throws<EngineException>(() => AbiGuard.CheckRelease(version))!.Code, Is.EqualTo(EngineErrorCode.NativesUnsupported));

    [TestCase("llama_decode: failed to decode 'my secret'", "llama_decode (text withheld)")]
    [TestCase("parse: error at my secret", "parse (text withheld)")]
    [TestCase("my secret: and more", "llama.cpp (text withheld)")]
    [TestCase("secret", "llama.cpp (text withheld)")]
    public void LlamaLog_WhileServing_NamesTheSpeakerOnly(string message, string expected) =>
        Assert.That(LlamaLog.Speaker(message), Is.EqualTo(expected));

    [Test]
    public void NativesFolder_LibraryNames_AreFoundWhateverTheRelease()
    {
        string folder = Directory.CreateTempSubdirectory("cocoon-natives").FullName;
        try
        {
            foreach (string name in (string[])["libllama.v0.5.0.so", "libggml.v0.5.0.so", "libggml-base.so", "libggml-cpu-zen4.so", "LICENSE"])
            {
                File.WriteAllText(Path.Combine(folder, name), "");
            }

            Assert.That(NativesFolder.Find(folder), Is.EqualTo(folder));
            Assert.That(Path.GetFileName(NativesFolder.Library(folder, "ggml")), Is.EqualTo("libggml.v0.5.0.so"));
            Assert.That(Path.GetFileName(NativesFolder.Library(folder, "ggml-base")), Is.EqualTo("libggml-base.so"));
            NativesFolder.RefuseUnknownPlugins(folder);
            File.WriteAllText(Path.Combine(folder, "libggml-rpc.so"), "");
            Assert.That(Assert.Throws<EngineException>(() => NativesFolder.RefuseUnknownPlugins(folder))!.Message, Does.Contain("libggml-rpc.so"));
            File.WriteAllText(Path.Combine(folder, "libllama.v0.4.0.so"), "");
            Assert.That(Assert.Throws<EngineException>(() => NativesFolder.Library(folder, "llama"))!.Code, Is.EqualTo(EngineErrorCode.NativesMissing));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestCase("libllama.so libggml.so libggml-base.so libggml-cpu.so libggml-blas.so", null, true)]
    [TestCase("llama.dll ggml.dll ggml-base.dll ggml-vulkan.dll ggml-cpu-x64.dll", "vulkan", true)]
    [TestCase("libllama.cuda.v0.5.0.so libggml.cuda.v0.5.0.so libggml-base.so libggml-cuda.so libggml-cpu-sapphirerapids.so", "cuda", true)]
    [TestCase("libllama.metal.b1234.dylib libggml.metal.b1234.dylib libggml-base.dylib libggml-metal.dylib", "metal", true)]
    [TestCase("libllama.v.so libllama.so.1 libllama.x.v1.so libllama.v1x.so libllama xllama.so llama", null, false)]
    public void NativesFolder_NamesOfAllPlatforms_AreRead(string names, string? accelerator, bool isThere)
    {
        string folder = Directory.CreateTempSubdirectory("cocoon-natives").FullName;
        try
        {
            foreach (string name in names.Split(' '))
            {
                File.WriteAllText(Path.Combine(folder, name), "");
            }

            Assert.That(NativesFolder.Find(folder), Is.EqualTo(isThere ? folder : null));
            Assert.That(NativesFolder.Accelerator(folder), Is.EqualTo(accelerator));
            Assert.DoesNotThrow(() => NativesFolder.RefuseUnknownPlugins(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestCase("libggml-cpu-.so")]
    [TestCase("libggml-cpu-Zen.so")]
    [TestCase("libggml-cudax.so")]
    [TestCase("libggml-rpc.so")]
    [TestCase("evil-ggml-cpu.so")]
    public void NativesFolder_UnknownBackend_IsRefused(string name)
    {
        string folder = Directory.CreateTempSubdirectory("cocoon-natives").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, name), "");
            Assert.Throws<EngineException>(() => NativesFolder.RefuseUnknownPlugins(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void NativesFolder_EmptyFolder_IsNotFound() => Assert.That(NativesFolder.Find(Path.GetTempPath()), Is.Null);
}
