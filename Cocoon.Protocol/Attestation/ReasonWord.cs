namespace Cocoon.Protocol.Attestation;

/// <summary>A stable word for a refusal and what it means, in one sentence.</summary>
internal sealed record ReasonWord(string Word, string Meaning);
