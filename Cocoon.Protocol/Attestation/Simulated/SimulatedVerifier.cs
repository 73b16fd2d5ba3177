using System.Security.Cryptography;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Enclaves.Proto;

namespace Cocoon.Protocol.Attestation.Simulated;

/// <summary>Verifies <see cref="SimulatedStatement"/>. Whether such evidence is acceptable at all is the policy's word.</summary>
internal sealed class SimulatedVerifier : IEvidenceVerifier
{
    public EvidenceKind Kind => EvidenceKind.Simulated;

    public EvidenceFacts Verify(EvidenceBundle bundle, EnclaveBinding binding, DateTimeOffset now)
    {
        SimulatedStatement statement;
        bool isSigned;
        IReadOnlyList<ProtectionClaim> protections;
        try
        {
            statement = SimulatedStatement.Decode(bundle.Evidence.AsSpan(), out isSigned);
            protections = ReadProtections(statement);
        }
        catch (EvidenceException)
        {
            return EvidenceFacts.Refused(ReasonWords.EvidenceMalformed);
        }

        List<string> reasons = [];
        if (!isSigned)
        {
            reasons.Add(ReasonWords.EvidenceSignature);
        }

        if (!CryptographicOperations.FixedTimeEquals(statement.ReportData.AsSpan(), EnclaveBinding.ReportData(bundle.Binding.AsSpan())))
        {
            reasons.Add(ReasonWords.ReportDataMismatch);
        }

        if (statement.IssuedAtMs > (ulong)DateTimeOffset.MaxValue.ToUnixTimeMilliseconds())
        {
            return EvidenceFacts.Refused(ReasonWords.EvidenceMalformed);
        }

        return new EvidenceFacts
        {
            Reasons = reasons,
            Tier = Tier.Open,
            IssuedAt = DateTimeOffset.FromUnixTimeMilliseconds((long)statement.IssuedAtMs),
            ValidUntil = DateTimeOffset.MaxValue,
            Protections = protections,
        };
    }

    private static List<ProtectionClaim> ReadProtections(SimulatedStatement statement)
    {
        try
        {
            Protections protections = Protections.Parser.ParseBounded(statement.Protections.AsSpan());
            return [.. protections.Items.Select(i => new ProtectionClaim(i.Name, i.State, i.Detail))];
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "protections");
        }
    }
}
