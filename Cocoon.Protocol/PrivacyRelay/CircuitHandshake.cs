using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Libp2p.Transports;
using Cocoon.Protocol.PrivacyRelay.Proto;

namespace Cocoon.Protocol.PrivacyRelay;

/// <summary>The handshake of one leg: between the client and one hop, inside whatever leads there.</summary>
internal static class CircuitHandshake
{
    /// <summary>The client's side, under a key made for this leg alone, so that hops cannot compare notes.</summary>
    /// <param name="stream">Taken over.</param>
    /// <exception cref="CircuitException">Not this peer, or it refused.</exception>
    public static async Task<CircuitStream> OpenAsync(
        IPeerStream stream, PeerId hop, Open open, string protocol, CancellationToken cancellationToken)
    {
        StreamConnection connection = new(stream);
        ConnectionReader reader = new(connection);
        NoiseChannel? channel = null;
        try
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            using NoiseIdentity identity = new(key, []);
            (channel, _) = await NoiseHandshake.DialAsync(connection, reader, identity, hop, cancellationToken);
            await LengthPrefixed.WriteAsync(channel, open, cancellationToken);
            Opened opened = await LengthPrefixed.ReadAsync(channel, Opened.Parser, RelayProtocol.MaxMessage, cancellationToken)
                ?? throw new CircuitException(hop, OpenStatus.OpenUnspecified, $"{hop} closed the circuit without an answer.");
            if (opened.Status != OpenStatus.OpenOk)
            {
                throw new CircuitException(hop, opened.Status, $"{hop} answered: {Word(opened.Status)}.");
            }

            return new CircuitStream(channel, connection, protocol);
        }
        catch (Exception exception)
        {
            await AbandonAsync(channel, connection, reader);
            throw exception is IOException and not CircuitException
                ? new CircuitException(hop, OpenStatus.OpenUnspecified, $"The circuit broke at {hop}: {exception.Message}", exception)
                : exception;
        }
    }

    /// <summary>The hop's side, up to what the client asks for.</summary>
    /// <param name="stream">Stays the caller's when this fails.</param>
    /// <exception cref="Libp2pException">The remote broke the protocol or left.</exception>
    public static async Task<(NoiseChannel Channel, StreamConnection Connection, Open Open)> AcceptAsync(
        IPeerStream stream, NoiseIdentity identity, CancellationToken cancellationToken)
    {
        StreamConnection connection = new(stream);
        ConnectionReader reader = new(connection);
        NoiseChannel? channel = null;
        try
        {
            (channel, _) = await NoiseHandshake.ListenAsync(connection, reader, identity, expected: null, cancellationToken);
            Open open = await LengthPrefixed.ReadAsync(channel, Open.Parser, RelayProtocol.MaxMessage, cancellationToken)
                ?? throw new Libp2pException(Libp2pErrorCode.UnexpectedEnd, "The circuit ended before it was opened.");
            return (channel, connection, open);
        }
        catch
        {
            await AbandonAsync(channel, connection, reader);
            throw;
        }
    }

    public static string Word(OpenStatus status) => status switch
    {
        OpenStatus.OpenRefused => "it forwards nothing",
        OpenStatus.OpenBusy => "it is busy",
        OpenStatus.OpenUnreachable => "the next hop did not answer",
        OpenStatus.OpenProtocol => "the protocol is not served over circuits",
        OpenStatus.OpenMalformed => "it did not understand",
        _ => "unknown",
    };

    private static async ValueTask AbandonAsync(NoiseChannel? channel, StreamConnection connection, ConnectionReader reader)
    {
        if (channel is not null)
        {
            await channel.DisposeAsync();
            return;
        }

        connection.Abort();
        await connection.DisposeAsync();
        reader.Dispose();
    }
}
