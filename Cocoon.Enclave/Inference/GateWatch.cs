using System.Threading.Channels;

namespace Cocoon.Enclave.Inference;

/// <summary>A request's gate as something to wait for, for engines that run each request in a task of its own.</summary>
internal sealed class GateWatch : IDisposable
{
    private readonly TokenGate? _gate;
    private readonly Channel<bool> _opened = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    public GateWatch(TokenGate? gate)
    {
        _gate = gate;
        gate?.Attach(() => _opened.Writer.TryWrite(true));
    }

    public bool Allows(int prompt, int cached, int completion) => _gate?.TryReserve(prompt, cached, completion) ?? true;

    /// <summary>Completes when it is worth asking again.</summary>
    public async ValueTask WaitAsync(CancellationToken cancellationToken) => await _opened.Reader.ReadAsync(cancellationToken);

    public void Dispose() => _gate?.Attach(null);
}
