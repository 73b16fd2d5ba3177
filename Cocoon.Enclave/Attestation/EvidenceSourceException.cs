namespace Cocoon.Enclave.Attestation;

/// <summary>The machine gave no evidence this time. Whoever asked decides what that means; the enclave goes on.</summary>
internal sealed class EvidenceSourceException(Exception inner) : Exception(inner.Message, inner);
