using Cocoon.Node.Discovery;
using Cocoon.Node.PrivacyRelay;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Ton.Cells;
using Google.Protobuf;

namespace Cocoon.Node.Payments;

/// <summary>The client's side of <c>/cocoon/pay/1.0.0</c>.</summary>
internal sealed class PayClient(IProviderStreams streams, OfferBook book, TimeProvider time) : IPayClient
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(15);

    public async Task<PayResponse> GetStateAsync(PeerId provider, CellHash channel, Ed25519PrivateKey payKey, CancellationToken cancellationToken)
    {
        ulong now = (ulong)time.GetUtcNow().ToUnixTimeMilliseconds();
        ChannelStateRequest request = new()
        {
            Channel = ByteString.CopyFrom(channel.ToArray()),
            TimeMs = now,
            Signature = ByteString.CopyFrom(payKey.Sign(PayProtocol.StateChallenge(channel, provider, now))),
        };
        return await AskAsync(provider, new PayRequest { State = request }, cancellationToken);
    }

    public Task<PayResponse> RequestCloseAsync(PeerId provider, CellHash channel, VoucherMessage voucher, CancellationToken cancellationToken) =>
        AskAsync(
            provider,
            new PayRequest { Close = new CloseRequest { Channel = ByteString.CopyFrom(channel.ToArray()), Voucher = voucher } },
            cancellationToken);

    private async Task<PayResponse> AskAsync(PeerId provider, PayRequest request, CancellationToken cancellationToken)
    {
        using CancellationTokenSource clock = new(s_timeout, time);
        using CancellationTokenSource timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, clock.Token);
        try
        {
            // The offer is the newest word on where the provider listens: it may have restarted since it was last reached.
            await using IPeerStream stream = (await streams.OpenAsync(provider, book.AddressesOf(provider), PayProtocol.Id, relays: 0, timeout.Token)).Stream;
            await LengthPrefixed.WriteAsync(stream, request, timeout.Token);
            await stream.CloseWriteAsync(timeout.Token);
            return await LengthPrefixed.ReadAsync(stream, PayResponse.Parser, PayProtocol.MaxMessage, timeout.Token)
                ?? throw new IOException("The provider closed the stream without an answer.");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new IOException($"The provider did not answer within {s_timeout.TotalSeconds:0} s.");
        }
        catch (Libp2pException violation)
        {
            throw new IOException($"The provider could not be asked: {violation.Message}", violation);
        }
    }
}
