using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Serving;

/// <summary>How a provider serves, whatever the model.</summary>
internal sealed class ServingOptions
{
    /// <summary>Each has an enclave process and offers of its own.</summary>
    public IReadOnlyList<ModelServingOptions> Models { get; init; } = [];

    /// <summary>Prices follow the load, with those above as a floor.</summary>
    public bool AutoPrice { get; set; }

    /// <summary>Hours in which new work is taken; <c>null</c>: always.</summary>
    public ServingSchedule? Schedule { get; set; }

    /// <summary>Credit on channels that have paid before; see the credit rule.</summary>
    public ulong MaxCreditNanoton { get; set; } = 1_000_000;

    /// <summary>Goes on serving open channels past half of their challenge without a block, at the owner's risk; see <c>ProviderOptions</c>.</summary>
    public TimeSpan OfflineAllowance { get; set; }

    /// <summary>Unclaimed nanoTON on one channel from which it is claimed by itself.</summary>
    public ulong ClaimThresholdNanoton { get; set; } = 100_000_000;

    public uint MinChallengeSeconds { get; set; } = 3600;

    public ulong MinDepositNanoton { get; set; } = 50_000_000;

    /// <summary>This node's stake, which its offers name and sign their prices for.</summary>
    public TonAddress? Bond { get; set; }

    public string Region { get; set; } = "";

    /// <summary>Sessions open at a time, running or waiting for their request.</summary>
    public int MaxSessions { get; set; } = 256;

    /// <summary>Hellos per minute from one peer; a warm client needs two per request at most.</summary>
    public int HellosPerMinute { get; set; } = 240;
}
