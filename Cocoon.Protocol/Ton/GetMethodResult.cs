namespace Cocoon.Protocol.Ton;

/// <summary>What a get-method left behind. A number some server computed: for people's eyes, never for a decision about money.</summary>
internal sealed record GetMethodResult(int ExitCode, ulong GasUsed, IReadOnlyList<StackValue> Stack);
