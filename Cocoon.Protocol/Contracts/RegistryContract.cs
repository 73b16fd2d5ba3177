using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Protocol.Contracts;

/// <summary>The registry: read by everybody, written by governance. Address of a new one, and messages to any.</summary>
internal sealed class RegistryContract
{
    /// <summary>Attached to messages, at least 0.02 TON: large lists cost gas. What is not used comes back.</summary>
    public const ulong GasValue = 50_000_000;

    /// <summary>A registry known by its address.</summary>
    public RegistryContract(TonAddress address) => Address = address;

    private RegistryContract(StateInit init)
    {
        StateInit = init;
        Address = init.AddressIn(0);
    }

    public static CellHash CodeHash => ContractCode.Registry.Hash;

    public TonAddress Address { get; }

    /// <summary>Only of a registry made by <see cref="Create"/>.</summary>
    public StateInit? StateInit { get; }

    /// <summary>A new registry, with our own contracts' code and a first bootstrap list.</summary>
    public static RegistryContract Create(TonAddress admin, uint timeLock, NetParams parameters, IReadOnlyList<string> bootstrap)
    {
        Cell codes = new CellBuilder().StoreReference(ContractCode.ProviderBond).StoreReference(ContractCode.Channel).Build();
        Cell lists = new CellBuilder().StoreBit(false).StoreBit(false).StoreBit(false)
            .StoreMaybeReference(bootstrap.Count == 0 ? null : RegistryState.WriteBootstrap(bootstrap)).Build();
        return new RegistryContract(new StateInit(ContractCode.Registry, new CellBuilder()
            .StoreAddress(admin).StoreUInt(0, 32).StoreUInt(0, 32).StoreUInt(timeLock, 32)
            .StoreReference(parameters.ToCell()).StoreReference(codes).StoreReference(lists).Build()));
    }

    /// <exception cref="TonException">Not a registry's layout.</exception>
    public static RegistryState ParseState(Cell data) => RegistryState.Read(data);

    /// <summary>Deploys a registry made by <see cref="Create"/>; the value pays its rent.</summary>
    public InternalMessage Deploy(ulong value = GasValue) =>
        new(Address, value, Bounce: false, Cell.Empty)
        {
            StateInit = StateInit ?? throw new InvalidOperationException("Only a registry made here can be deployed."),
        };

    /// <summary>By the admin.</summary>
    public InternalMessage Propose(RegistryChange change, ulong queryId) =>
        Message(Body(OpCodes.RegistryPropose, queryId).StoreReference(change.ToCell()));

    /// <summary>By anybody, once the time lock has passed.</summary>
    public InternalMessage Apply(uint id, ulong queryId) => Message(Body(OpCodes.RegistryApply, queryId).StoreUInt(id, 32));

    /// <summary>By the admin.</summary>
    public InternalMessage Cancel(uint id, ulong queryId) => Message(Body(OpCodes.RegistryCancel, queryId).StoreUInt(id, 32));

    /// <summary>By the admin; takes effect at once.</summary>
    public InternalMessage Revoke(bool isModel, CellHash hash, ulong queryId) =>
        Message(Body(OpCodes.RegistryRevoke, queryId).StoreBit(isModel).StoreHash(hash));

    private static CellBuilder Body(uint operation, ulong queryId) => new CellBuilder().StoreUInt(operation, 32).StoreUInt(queryId, 64);

    private InternalMessage Message(CellBuilder body) => new(Address, GasValue, Bounce: true, body.Build());
}
