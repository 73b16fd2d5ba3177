using System.Collections.Immutable;
using System.Globalization;
using Cocoon.Enclave.Sessions;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions;

namespace Cocoon.Enclave.Attestation;

/// <summary>Writes down the rules that this process keeps, from what it was made of and what it found; no word of the host is in it.</summary>
internal static class EnclaveRules
{
    /// <param name="isUpstream">Whether another server is the engine: the one choice of the host's that changes the rules, so it is said.</param>
    public static EnclavePolicy Of(EnclaveHostOptions options, bool isUpstream, Protections protections) => new()
    {
        Schema = EnclavePolicy.CurrentSchema,
        Profile = isUpstream ? EnclavePolicy.Upstream : EnclavePolicy.Embedded,
        MayRunUnprotected = options.AllowUnprotected,
        Protections = protections.Items.ToImmutableSortedDictionary(p => p.Name, p => p.State, StringComparer.Ordinal),
        Suites = [.. options.Suites.Select(Word)],
        KeyLifetimeSeconds = (long)KeyRing.Lifetime.TotalSeconds,
        KeyOverlapSeconds = (long)KeyRing.Overlap.TotalSeconds,
        EvidenceLifetimeSeconds = (long)EnclaveIdentity.EvidenceLifetime.TotalSeconds,
        ReplayCapacity = ReplaySet.DefaultCapacity,
        RequestExpirySeconds = (long)RequestOpener.MaxExpiry.TotalSeconds,
        FrameBytes = ResponseShape.FrameSize,
        FrameTickMilliseconds = (int)ResponseShape.Tick.TotalMilliseconds,
        BlockMilliseconds = (int)ResponseShape.Block.TotalMilliseconds,
        MinimumUnitTokens = ResponseShape.MinUnitTokens,
        PaymentWaitMilliseconds = (int)EnclaveSessionContext.PaymentWait.TotalMilliseconds,
    };

    private static string Word(HpkeSuite suite) => string.Create(CultureInfo.InvariantCulture, $"{suite.Kem.Id:x4}-{suite.KdfId:x4}-{suite.AeadId:x4}");
}
