using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Cocoon.Protocol.Attestation.Pki;

/// <summary>The outer shape of certificates, CRLs and OCSP answers: what is signed, how, and the signature.</summary>
/// <remarks>RFC 5280 §4.1.1. Accepts the three algorithms that the vendors use and no other.</remarks>
internal sealed class SignedDer
{
    private const string EcdsaSha256 = "1.2.840.10045.4.3.2";
    private const string EcdsaSha384 = "1.2.840.10045.4.3.3";
    private const string RsaPss = "1.2.840.113549.1.1.10";
    private const string Mgf1 = "1.2.840.113549.1.1.8";
    private const string Sha384 = "2.16.840.1.101.3.4.2.2";
    private const int Sha384Size = 48;

    private SignedDer(ReadOnlyMemory<byte> toBeSigned, ReadOnlyMemory<byte> algorithm, string oid, byte[] signature)
    {
        ToBeSigned = toBeSigned;
        Algorithm = algorithm;
        Oid = oid;
        Signature = signature;
    }

    public ReadOnlyMemory<byte> ToBeSigned { get; }

    /// <summary>The AlgorithmIdentifier as encoded; the copy inside the signed part must be equal.</summary>
    public ReadOnlyMemory<byte> Algorithm { get; }

    private string Oid { get; }

    private byte[] Signature { get; }

    /// <exception cref="AsnContentException">Not of this shape.</exception>
    /// <exception cref="EvidenceException">An algorithm or parameters that are not accepted.</exception>
    public static SignedDer Read(AsnReader outer)
    {
        AsnReader sequence = outer.ReadSequence();
        ReadOnlyMemory<byte> toBeSigned = sequence.ReadEncodedValue();
        ReadOnlyMemory<byte> algorithm = sequence.PeekEncodedValue();
        string oid = ReadAlgorithm(sequence.ReadSequence());
        byte[] signature = sequence.ReadBitString(out int unused);
        if (unused != 0)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "signature bits");
        }

        return new SignedDer(toBeSigned, algorithm, oid, signature);
    }

    public bool IsSignedBy(VerificationKey key) => Oid switch
    {
        EcdsaSha256 => key.VerifyEcdsaDer(ToBeSigned.Span, Signature, HashAlgorithmName.SHA256),
        EcdsaSha384 => key.VerifyEcdsaDer(ToBeSigned.Span, Signature, HashAlgorithmName.SHA384),
        _ => key.VerifyRsaPss(ToBeSigned.Span, Signature, HashAlgorithmName.SHA384),
    };

    private static string ReadAlgorithm(AsnReader algorithm)
    {
        string oid = algorithm.ReadObjectIdentifier();
        switch (oid)
        {
            case EcdsaSha256 or EcdsaSha384:
                break;
            case RsaPss:
                ReadPssParameters(algorithm.ReadSequence());
                break;
            default:
                throw new EvidenceException(EvidenceErrorCode.Malformed, "signature algorithm " + oid);
        }

        algorithm.ThrowIfNotEmpty();
        return oid;
    }

    // RFC 8017 A.2.3. .NET always takes the digest's size as salt, so the parameters must say the same.
    private static void ReadPssParameters(AsnReader parameters)
    {
        Asn1Tag Tag(int number) => new(TagClass.ContextSpecific, number, isConstructed: true);
        AsnReader hash = parameters.ReadSequence(Tag(0)).ReadSequence();
        AsnReader mask = parameters.ReadSequence(Tag(1)).ReadSequence();
        AsnReader salt = parameters.ReadSequence(Tag(2));
        if (hash.ReadObjectIdentifier() != Sha384
            || mask.ReadObjectIdentifier() != Mgf1
            || mask.ReadSequence().ReadObjectIdentifier() != Sha384
            || !salt.TryReadInt32(out int size) || size != Sha384Size)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "RSA-PSS parameters");
        }

        if (parameters.HasData && (!parameters.ReadSequence(Tag(3)).TryReadInt32(out int trailer) || trailer != 1))
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "RSA-PSS trailer");
        }
    }
}
