namespace Cocoon.Protocol.Ton.Tl;

/// <summary>Constructor numbers of <c>ton_api.tl</c> and <c>lite_api.tl</c>: CRC32 of the declaration.</summary>
internal static class TlConstructors
{
    public const uint AdnlQuery = 0xB48BF97A;
    public const uint AdnlAnswer = 0x0FAC8416;
    public const uint TcpPing = 0x4D082B9A;
    public const uint TcpPong = 0xDC69FB03;

    public const uint BoolTrue = 0x997275B5;
    public const uint BoolFalse = 0xBC799737;

    public const uint LiteQuery = 0x798C06DF;
    public const uint LiteError = 0xBBA9E148;
    public const uint GetMasterchainInfo = 0x89B5E62E;
    public const uint MasterchainInfo = 0x85832881;
    public const uint LookupBlock = 0xFAC8F71E;
    public const uint BlockHeader = 0x752D8219;
    public const uint GetAccountState = 0x6B890E25;
    public const uint AccountState = 0x7079C751;
    public const uint RunSmcMethod = 0x5CC65DD2;
    public const uint RunMethodResult = 0xA39A616B;
    public const uint SendMessage = 0x690AD482;
    public const uint SendMessageStatus = 0x3950E597;
    public const uint GetTransactions = 0x1C40E7A1;
    public const uint TransactionList = 0x6F26C60B;
    public const uint GetConfigParams = 0x2A111C19;
    public const uint ConfigInfo = 0xAE7B272F;
    public const uint GetBlockProof = 0x8AEA9C44;
    public const uint PartialBlockProof = 0x8ED0D2C1;
    public const uint BlockLinkForward = 0x520FCE1C;
    public const uint BlockLinkBack = 0xEF7E1BEF;
    public const uint SignatureSetOrdinary = 0xF644A6E6;
    public const uint SignatureSetSimplex = 0xAC249800;

    public const uint SignedBlockId = 0xC50B6E70;
    public const uint DataToSign = 0xA8E33DF8;
    public const uint FinalizeVote = 0x40A7E105;
    public const uint CandidateId = 0xB691CD3F;
    public const uint CandidateOrdinary = 0xE8F9BCDC;
    public const uint CandidateEmpty = 0x72B4D933;

    /// <summary>Named in the scheme by number, not by checksum: <c>test0.validatorSet#901660ed</c>.</summary>
    public const uint ValidatorSet = 0x901660ED;
}
