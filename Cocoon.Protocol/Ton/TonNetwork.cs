namespace Cocoon.Protocol.Ton;

/// <summary>A network's identity: its <c>global_id</c> goes into wallet ids and channel terms, so that nothing signed for one is worth anything on another.</summary>
internal sealed record TonNetwork(string Name, int GlobalId)
{
    public static TonNetwork Mainnet { get; } = new("mainnet", -239);

    public static TonNetwork Testnet { get; } = new("testnet", -3);

    /// <summary>The local chain of <c>scripts/devnet</c>.</summary>
    public static TonNetwork Devnet { get; } = new("devnet", -777);

    /// <summary>By name, or <c>null</c>.</summary>
    public static TonNetwork? Find(string name) => name switch
    {
        "mainnet" => Mainnet,
        "testnet" => Testnet,
        "devnet" => Devnet,
        _ => null,
    };
}
