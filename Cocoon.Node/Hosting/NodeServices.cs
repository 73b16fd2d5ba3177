using Cocoon.Node.Cli;
using Cocoon.Node.Control;
using Cocoon.Node.Diagnostics;
using Cocoon.Node.Discovery;
using Cocoon.Node.OpenAi;
using Cocoon.Node.Payments;
using Cocoon.Node.Peers;
using Cocoon.Node.PrivacyRelay;
using Cocoon.Node.Registry;
using Cocoon.Node.Routing;
using Cocoon.Node.Serving;
using Cocoon.Node.Sessions;
using Cocoon.Node.Storage;
using Cocoon.Node.Wallets;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Sending;
using Microsoft.Extensions.Options;

namespace Cocoon.Node.Hosting;

/// <summary>What each role of a node is made of. Hosted services start in the order of these lines and stop in reverse.</summary>
internal static class NodeServices
{
    /// <summary>Network, storage and the faces that every role has.</summary>
    /// <exception cref="PaymentException">Unknown network, or real money not confirmed.</exception>
    public static IServiceCollection AddNode(this IServiceCollection services, NodeOptions options, DataDirectory directory)
    {
        bool confirmed = MainnetConfirmation.IsGiven(directory, options.ConfirmMainnet);
        NetworkProfile profile = options.Role is NodeRole.Bootstrap or NodeRole.Observer && options.TonEndpoints.Count == 0
            ? Networks.TryGet(options.Network, out NetworkProfile? known) ? known : Networks.Resolve(options.Network, [], confirmed)
            : Networks.Resolve(options.Network, options.TonEndpoints, confirmed);
        if (options.TonConfig is { } config)
        {
            profile = profile with { Lite = TonClients.ReadConfig(config) };
        }

        services.AddSingleton(options).AddSingleton(directory).AddSingleton(profile);
        services.AddSingleton(new NetworkName(profile.Name)).AddSingleton(NodeAgent.Default);
        services.AddSingleton(_ => options.Role is NodeRole.Client or NodeRole.Observer ? NodeIdentity.Ephemeral() : NodeIdentity.Load(directory));
        services.AddSingleton(_ => CocoonDatabase.Open(directory.DatabasePath));
        services.AddSingleton(new RouteTerms(profile.ChannelCodeHashes.Select(h => h.ToString()).ToHashSet(), profile.GlobalId));
        services.AddHttpClient();
        services.AddSingleton<ITonClient>(provider => TonClients.Create(
            profile,
            provider.GetRequiredService<IHttpClientFactory>().CreateClient("ton"),
            provider.GetRequiredService<TimeProvider>(),
            new TrustedBlockFile(directory.File("trusted-block.json"), provider.GetRequiredService<ILogger<TrustedBlockFile>>())));
        if (options.Registry is { } registry)
        {
            TonAddress address = TypedAddress.Read(registry);
            services.AddSingleton(provider => ActivatorUtilities.CreateInstance<RegistryReader>(provider, address));
            services.AddSingleton<IBootstrapSource, RegistryBootstrap>();
        }

        services.AddSingleton<BootstrapList>();
        services.AddSingleton<PeerNetwork>().AddSingleton<LanDiscovery>().AddSingleton<GatewayMapping>();
        services.AddSingleton<ILibp2pHost>(provider => provider.GetRequiredService<PeerNetwork>().Host);
        services.AddSingleton(provider => provider.GetRequiredService<PeerNetwork>().Gossip);
        services.AddSingleton<IProviderLookup>(provider => provider.GetRequiredService<PeerNetwork>());
        services.AddSingleton(provider => new RelayService(
            provider.GetRequiredService<ILibp2pHost>(),
            provider.GetRequiredService<NodeIdentity>().Key,
            new RelayLimits(),
            options.ForwardsCircuits,
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<RelayService>>()));
        services.AddSingleton<BondedProviders>().AddSingleton<OfferBook>().AddSingleton<SignerConduct>().AddSingleton<ModelDirectory>().AddSingleton<OfferGossip>().AddSingleton<OwnOffers>();
        services.AddSingleton<ModelNeighbours>();
        services.AddSingleton<OfferExchange>().AddSingleton<OfferFinder>().AddSingleton<IOfferFinder>(p => p.GetRequiredService<OfferFinder>());
        services.AddSingleton<WarmPrefixes>().AddSingleton<OfferReporter>().AddSingleton<MoneyReporter>();
        services.AddInspection();
        services.AddSingleton<ApiKeyStore>().AddSingleton<KeyReporter>();
        services.AddSingleton<AttestationReporter>();
        services.AddSingleton(provider => new StatusReporter(
            provider.GetRequiredService<NodeOptions>(),
            provider.GetRequiredService<PeerNetwork>(),
            provider.GetRequiredService<NetworkName>(),
            provider.GetRequiredService<OfferBook>(),
            provider.GetRequiredService<MoneyReporter>(),
            provider.GetRequiredService<Microsoft.AspNetCore.Hosting.Server.IServer>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetService<OfferedModels>(),
            provider.GetService<ServingMetrics>(),
            provider.GetService<ServingSwitch>(),
            provider.GetService<IProviderStreams>()));
        services.AddHostedService(provider => provider.GetRequiredService<PeerNetwork>());
        services.AddHostedService<OfferedRelays>();
        services.AddHostedService<OfferedAddresses>();
        services.AddHostedService(provider => provider.GetRequiredService<LanDiscovery>());
        services.AddHostedService(provider => provider.GetRequiredService<GatewayMapping>());
        services.AddHostedService<OfferFollower>();
        if (options.Role == NodeRole.Client)
        {
            services.AddHostedService<BondReader>();
        }

        if (options.Role is not (NodeRole.Client or NodeRole.Observer))
        {
            services.AddHostedService<RelayRunner>();
        }

        return services;
    }

    public static IServiceCollection AddWallet(this IServiceCollection services)
    {
        services.AddSingleton<WalletStore>();
        services.AddSingleton(provider => WalletOpening.Open(
            provider.GetRequiredService<WalletStore>(), provider.GetRequiredService<NetworkProfile>(), provider.GetRequiredService<NodeOptions>(),
            provider.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(WalletOpening).FullName!)));
        services.AddSingleton<SqliteOutboxStore>().AddSingleton<IOutboxStore>(provider => CrashPoint.IsArmed
            ? new CrashableOutbox(provider.GetRequiredService<SqliteOutboxStore>())
            : provider.GetRequiredService<SqliteOutboxStore>());
        services.AddSingleton(new WalletSenderOptions());
        services.AddSingleton<WalletAccount>().AddSingleton<IChainWallet>(provider => provider.GetRequiredService<WalletAccount>());
        services.AddSingleton<IChannelChain>(provider => new TonChannelChain(
            provider.GetRequiredService<ITonClient>(), ownChain: provider.GetRequiredService<NetworkProfile>().Name == Networks.Devnet.Name));
        services.AddSingleton<Previews>().AddSingleton<WalletActions>().AddSingleton<ChannelActions>();
        services.AddHostedService<WalletRunner>();
        return services;
    }

    public static IServiceCollection AddProvider(this IServiceCollection services, NodeOptions node, ServingOptions options)
    {
        services.AddWallet();
        services.AddSingleton(Options.Create(options));
        services.AddSingleton<ProviderChannelStore>();
        services.AddSingleton(provider => new ProviderIdentity(
            provider.GetRequiredService<WalletKey>().Address,
            provider.GetRequiredService<WalletKey>().DeriveProviderKey(),
            provider.GetRequiredService<NetworkProfile>().GlobalId));
        services.AddSingleton(new ProviderOptions
        {
            MinChallengeSeconds = options.MinChallengeSeconds,
            MaxCredit = options.MaxCreditNanoton,
            OfflineAllowance = options.OfflineAllowance,
            ClaimThreshold = options.ClaimThresholdNanoton,
        });
        services.AddSingleton(provider =>
        {
            ProviderIdentity identity = provider.GetRequiredService<ProviderIdentity>();
            return new PayoutTerms(identity.Payout.ToString(), identity.ProviderKey.PublicKey);
        });
        services.AddSingleton(provider => provider.GetRequiredService<NodeIdentity>().Peer);
        services.AddSingleton(provider => provider.GetRequiredService<NodeIdentity>().Key);
        services.AddSingleton<ProviderLedger>().AddSingleton<ClaimQueue>().AddSingleton<ProviderWatcher>().AddSingleton<PayHandler>();
        services.AddSingleton<QuoteIssuer>().AddSingleton<ServingMetrics>().AddSingleton<ServingSwitch>();
        services.AddEnclaves(options);
        services.AddHostedService<ProviderMoney>();
        services.AddSingleton<InferenceServer>().AddHostedService(provider => provider.GetRequiredService<InferenceServer>());
        services.AddSingleton<ServingReporter>();
        services.AddServingControls(node, options);
        if (options.Bond is { } bond)
        {
            services.AddSingleton(provider => ActivatorUtilities.CreateInstance<PriceStatements>(provider, bond));
            services.AddHostedService(provider => ActivatorUtilities.CreateInstance<OwnBond>(provider, bond));
        }

        services.AddSingleton<OfferWriting>().AddSingleton<DirectoryPublisher>().AddSingleton<OfferPublisher>().AddHostedService(provider => provider.GetRequiredService<OfferPublisher>());
        return services;
    }

    public static IServiceCollection AddLightClient(this IServiceCollection services, ClientOptions options)
    {
        services.AddWallet();
        services.AddSingleton(Options.Create(options));
        services.AddSingleton<ClientChannelStore>().AddSingleton(options.Spending);
        services.AddSingleton(provider => new RelayFloor(provider.GetRequiredService<DataDirectory>(), options.Relays)).AddSingleton<RelayPicker>();
        services.AddSingleton<IProviderStreams, RelayedStreams>();
        services.AddSingleton<ClientChannels>().AddSingleton<IPayClient, PayClient>().AddSingleton<ChannelCloser>().AddSingleton<ChannelKeeper>().AddSingleton<ChannelRestorer>();
        services.AddSingleton<ReceiptStore>().AddSingleton<ProviderChoice>().AddSingleton<SessionOpener>().AddSingleton<WarmSessions>().AddSingleton<IInferenceClient, InferenceClient>();
        services.AddOpenAi(new ClientDefaults(options.Shape, options.AllowOpenTier));
        services.AddHostedService<ClientMoney>();
        services.AddSingleton<StandbyChannels>().AddHostedService(provider => provider.GetRequiredService<StandbyChannels>());
        return services;
    }
}
