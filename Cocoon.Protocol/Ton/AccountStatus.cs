namespace Cocoon.Protocol.Ton;

/// <summary>Status of an account; values as in TL-B <c>AccountStatus</c>.</summary>
internal enum AccountStatus
{
    Uninitialized = 0,
    Frozen = 1,
    Active = 2,
    NonExisting = 3,
}
