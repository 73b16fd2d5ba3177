using Cocoon.Node.Serving;

namespace Cocoon.Node.Hosting;

/// <summary>What moves a provider's switch and prices by itself; only what its owner asked for.</summary>
internal static class ServingControls
{
    public static IServiceCollection AddServingControls(this IServiceCollection services, NodeOptions node, ServingOptions options)
    {
        if (options.Schedule is { } schedule)
        {
            services.AddHostedService(provider => ActivatorUtilities.CreateInstance<ScheduleKeeper>(provider, schedule));
        }

        if (options.AutoPrice)
        {
            services.AddHostedService<AutoPrice>();
        }

        if (node.ConfigPath is { } path)
        {
            services.AddHostedService(provider => ActivatorUtilities.CreateInstance<PriceFile>(provider, path));
        }

        return services;
    }
}
