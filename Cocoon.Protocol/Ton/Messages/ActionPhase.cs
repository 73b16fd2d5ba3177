namespace Cocoon.Protocol.Ton.Messages;

/// <param name="SkippedActions">Sends that failed and were dropped because they carried mode +2.</param>
/// <param name="ForwardFees">Forward fees in total, of which <paramref name="ActionFees"/> were taken now and the rest travels with the messages.</param>
internal sealed record ActionPhase(
    bool Success, int ResultCode, int TotalActions, int SkippedActions, int MessagesCreated, bool NoFunds, ulong ForwardFees, ulong ActionFees);
