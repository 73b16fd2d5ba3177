namespace Cocoon.Protocol.Sessions;

/// <summary>Domain separation of everything that is signed or derived in a session. Each ends in NUL, so none is a prefix of another.</summary>
internal static class SessionDomains
{
    public static ReadOnlySpan<byte> Transcript => "cocoon/session-transcript/v1\0"u8;

    /// <summary>The id of a further request of a session.</summary>
    public static ReadOnlySpan<byte> NextRequest => "cocoon/session-request/v1\0"u8;

    public static ReadOnlySpan<byte> Liveness => "cocoon/liveness/v1\0"u8;

    public static ReadOnlySpan<byte> Challenge => "cocoon/challenge/v1\0"u8;

    public static ReadOnlySpan<byte> HpkeKey => "cocoon/hpke-key/v1\0"u8;

    public static ReadOnlySpan<byte> Quote => "cocoon/quote/v1\0"u8;

    public static ReadOnlySpan<byte> Settlement => "cocoon/settlement/v1\0"u8;

    public static ReadOnlySpan<byte> Receipt => "cocoon/receipt/v1\0"u8;

    public static ReadOnlySpan<byte> Request => "cocoon/e2e request/v1\0"u8;

    public static ReadOnlySpan<byte> Response => "cocoon/e2e response/v1\0"u8;

    public static ReadOnlySpan<byte> Tenant => "cocoon/tenant/v1\0"u8;

    /// <summary>See <see cref="PayerStatement"/>.</summary>
    public static ReadOnlySpan<byte> Payer => "cocoon/payer/v1\0"u8;

    public static byte[] Message(ReadOnlySpan<byte> domain, ReadOnlySpan<byte> body) => [.. domain, .. body];
}
