using Cocoon.Protocol.Enclaves;
using Cocoon.Protocol.Enclaves.Proto;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Enclaves;

public sealed class PipeFrameTests
{
    [Test]
    public void Encode_AllowFrame_HasTheDocumentedBytes()
    {
        PipeFrameCodec.Encode(new HostFrame { Allow = new Allow { Handle = 1, UpToDue = 2 } }, out ReadOnlyMemory<byte> frame);
        Assert.That(Convert.ToHexStringLower(frame.Span), Is.EqualTo("00000005" + "04" + "08011002"));
    }

    [Test]
    public async Task Reader_EveryFrameType_ComesBackAsItWas()
    {
        EnclaveFrame[] frames =
        [
            new() { Protections = new Protections() },
            new() { Output = new Output { Handle = 7, Sealed = ByteString.CopyFrom(new byte[100_000]) } },
            new() { Load = new Load { Active = 3 } },
            new() { Metered = new Metered { Handle = 1, Final = true } },
        ];
        MemoryStream stream = new();
        PipeFrameWriter writer = new(stream);
        foreach (EnclaveFrame frame in frames)
        {
            await writer.WriteAsync(frame, CancellationToken.None);
        }

        stream.Position = 0;
        PipeFrameReader<EnclaveFrame> reader = new(stream, EnclaveFrame.Parser);
        foreach (EnclaveFrame frame in frames)
        {
            Assert.That(await reader.ReadAsync(CancellationToken.None), Is.EqualTo(frame));
        }

        Assert.That(await reader.ReadAsync(CancellationToken.None), Is.Null);
    }

    [Test]
    public async Task Writer_ManyAtOnce_EveryFrameComesOutWholeAndInItsCallersOrder()
    {
        using System.IO.Pipes.AnonymousPipeServerStream output = new(System.IO.Pipes.PipeDirection.Out);
        using System.IO.Pipes.AnonymousPipeClientStream input = new(System.IO.Pipes.PipeDirection.In, output.ClientSafePipeHandle);
        PipeFrameWriter writer = new(output);
        PipeFrameReader<EnclaveFrame> reader = new(input, EnclaveFrame.Parser, blocks: true);
        const int callers = 8, frames = 200;
        Task<Dictionary<ulong, List<int>>> reading = Task.Factory.StartNew(
            async () =>
            {
                Dictionary<ulong, List<int>> seen = [];
                for (int i = 0; i < callers * frames; i++)
                {
                    Output frame = (await reader.ReadAsync(CancellationToken.None))!.Output;
                    (seen.TryGetValue(frame.Handle, out List<int>? sizes) ? sizes : seen[frame.Handle] = []).Add(frame.Sealed.Length);
                }

                return seen;
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(caller => Task.Run(async () =>
        {
            for (int i = 0; i < frames; i++)
            {
                EnclaveFrame frame = new() { Output = new Output { Handle = (ulong)caller, Sealed = ByteString.CopyFrom(new byte[i]) } };
                if (i % 3 == 0)
                {
                    writer.Append(frame);
                }
                else
                {
                    await writer.WriteAsync(frame, CancellationToken.None);
                }
            }
        })));
        Dictionary<ulong, List<int>> read = await reading.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.That(read.Values, Has.All.EqualTo(Enumerable.Range(0, frames)));
    }

    [Test]
    public async Task Writer_OtherEndGone_FailsNowAndEverAfter()
    {
        System.IO.Pipes.AnonymousPipeServerStream output = new(System.IO.Pipes.PipeDirection.Out);
        new System.IO.Pipes.AnonymousPipeClientStream(System.IO.Pipes.PipeDirection.In, output.ClientSafePipeHandle).Dispose();
        output.DisposeLocalCopyOfClientHandle();
        PipeFrameWriter writer = new(output);
        for (int i = 0; i < 3; i++)
        {
            await Assert.ThrowsAsync<IOException>(async () => await writer.WriteAsync(new EnclaveFrame { Load = new Load() }, CancellationToken.None));
        }

        await output.DisposeAsync();
    }

    [TestCase("00000000", nameof(PipeErrorCode.FrameSize))]
    [TestCase("01000001", nameof(PipeErrorCode.FrameSize))]
    [TestCase("ffffffff", nameof(PipeErrorCode.FrameSize))]
    [TestCase("0000", nameof(PipeErrorCode.Truncated))]
    [TestCase("0000000504", nameof(PipeErrorCode.Truncated))]
    [TestCase("0000000141", nameof(PipeErrorCode.UnknownType))]
    [TestCase("0000000100", nameof(PipeErrorCode.Malformed))]
    [TestCase("0000000204ff", nameof(PipeErrorCode.Malformed))]
    public async Task Reader_BrokenFrame_NamesTheCode(string bytes, string code)
    {
        PipeFrameReader<HostFrame> reader = new(new MemoryStream(Convert.FromHexString(bytes)), HostFrame.Parser);
        PipeException error = (await Assert.ThrowsAsync<PipeException>(async () => await reader.ReadAsync(CancellationToken.None)))!;
        Assert.That(error.Code.ToString(), Is.EqualTo(code));
    }
}
