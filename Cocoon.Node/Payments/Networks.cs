using System.Diagnostics.CodeAnalysis;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Payments;

/// <summary>The networks this version knows, by name.</summary>
internal static class Networks
{
    /// <summary>The local chain of <c>scripts/devnet</c>.</summary>
    public static int DevnetGlobalId => TonNetwork.Devnet.GlobalId;

    public static NetworkProfile Devnet { get; } = new("devnet", DevnetGlobalId, [], [ChannelContract.CodeHash], Registry: null, RealMoney: false);

    public static NetworkProfile Testnet { get; } = new(
        "testnet", TonNetwork.Testnet.GlobalId, [new Uri("https://testnet.toncenter.com/api/v2/")], [ChannelContract.CodeHash], Registry: null, RealMoney: false);

    public static NetworkProfile Mainnet { get; } = new(
        "mainnet", TonNetwork.Mainnet.GlobalId, [new Uri("https://toncenter.com/api/v2/")], [ChannelContract.CodeHash], Registry: null, RealMoney: true);

    public static IReadOnlyList<NetworkProfile> All { get; } = [Devnet, Testnet, Mainnet];

    public static bool TryGet(string name, [NotNullWhen(true)] out NetworkProfile? profile)
    {
        profile = All.FirstOrDefault(known => string.Equals(known.Name, name, StringComparison.OrdinalIgnoreCase));
        return profile is not null;
    }

    /// <exception cref="PaymentException">There is none of that name.</exception>
    public static NetworkProfile Named(string name) => TryGet(name, out NetworkProfile? profile)
        ? profile
        : throw new PaymentException(PaymentErrorCode.Terms, $"Unknown network '{name}'; known are {string.Join(", ", All.Select(known => known.Name))}.");

    /// <summary>The profile with the user's own endpoints, and the gate before real money.</summary>
    /// <param name="confirmed">Whether the owner has confirmed the use of real money, now or earlier in this data directory.</param>
    /// <exception cref="PaymentException">Unknown network, real money not confirmed, or no endpoint.</exception>
    public static NetworkProfile Resolve(string name, IReadOnlyList<Uri> endpoints, bool confirmed)
    {
        NetworkProfile profile = Named(name);
        if (profile.RealMoney && !confirmed)
        {
            SpendOptions limits = new();
            throw new PaymentException(
                PaymentErrorCode.Limit,
                $"{profile.Name} moves real money, and its contracts were not audited. By the defaults at most {MoneyWords.Ton(limits.PerRequest)} TON per request, {MoneyWords.Ton(limits.PerDay)} TON a day, "
                + $"{MoneyWords.Ton(limits.DepositCapPerProvider)} TON with one provider and {limits.OpensPerHour} channels an hour leave the wallet unasked ('cocoon client --help' changes them). Confirm once with --confirm-mainnet.");
        }

        profile = endpoints.Count == 0 ? profile : profile with { Endpoints = endpoints };
        return profile.Endpoints.Count > 0
            ? profile
            : throw new PaymentException(PaymentErrorCode.Chain, $"{profile.Name} has no endpoint of its own: start the local chain (node scripts/devnet/start.mjs --port 8081) and name it with --ton URL (beside --ton-config, too).");
    }
}
