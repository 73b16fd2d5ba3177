using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace Cocoon.Node.Hosting;

/// <summary>Buffers of the HTTP server: prompts come in pieces of these, each a system call and a turn of the reader.</summary>
/// <remarks>By default they have 4 KiB. A connection that waits holds none.</remarks>
internal sealed class HttpBlockPool : MemoryPool<byte>
{
    internal const int BlockSize = 32 << 10;

    public override int MaxBufferSize => BlockSize;

    public override IMemoryOwner<byte> Rent(int minBufferSize = -1) => Shared.Rent(Math.Max(minBufferSize, BlockSize));

    protected override void Dispose(bool disposing)
    {
        // The arrays belong to the pool that all share.
    }

    internal sealed class Factory : IMemoryPoolFactory<byte>
    {
        public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new HttpBlockPool();
    }
}
