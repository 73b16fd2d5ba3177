using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Payments;

/// <summary>What a verified offer says about being paid. Everything here goes into the channel's address.</summary>
/// <param name="CodeHash">One of the offer's that this node knows too.</param>
internal sealed record ProviderTerms(
    PeerId Peer, TonAddress Payout, Ed25519PublicKey ProviderKey, CellHash CodeHash, uint MinChallengeSeconds, ulong MinDeposit, int GlobalId);
