using System.Buffers;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cocoon.Protocol.Attestation;

/// <summary>The rules that an enclave keeps, whatever its host says. The enclave writes them down itself; the binding holds their digest.</summary>
/// <remarks>
/// JSON in one canonical form, for people to read: <c>policy_digest = SHA-256(document)</c>. What differs between honest providers
/// (slots, context, threads, prices) is not in it, so that one program on one kind of system has one digest and a client can list it.
/// </remarks>
internal sealed record EnclavePolicy
{
    public const int MaxSize = 4 << 10;

    public const string CurrentSchema = "cocoon/enclave-policy/1";

    /// <summary>The model runs inside the enclave process, which has no socket.</summary>
    public const string Embedded = "embedded";

    /// <summary>Another server on the machine computes, and sees the prompts.</summary>
    public const string Upstream = "upstream";

    public const string On = "on";
    public const string Off = "off";
    public const string Unavailable = "unavailable";

    private static readonly JsonSerializerOptions s_options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        AllowDuplicateProperties = false,
        RespectNullableAnnotations = true,
        MaxDepth = 4,
    };

    /// <summary>Without these no key is made, unless <see cref="MayRunUnprotected"/>. The others depend on the system's age and limits.</summary>
    public static IReadOnlyList<string> RequiredProtections { get; } =
        ["no_new_privs", "seccomp", "dumpable", "core", "pdeathsig", "output", "environment", "diagnostics"];

    public required string Schema { get; init; }

    /// <summary><see cref="Embedded"/> or <see cref="Upstream"/>.</summary>
    public required string Profile { get; init; }

    /// <summary>Whether keys are made although a required protection is missing.</summary>
    public required bool MayRunUnprotected { get; init; }

    /// <summary>What each process protection reported before any key was made: on, off or unavailable.</summary>
    public required ImmutableSortedDictionary<string, string> Protections { get; init; }

    /// <summary>What receiving keys are made for, best first: KEM, KDF and AEAD in hexadecimal, as <c>0020-0001-0003</c>.</summary>
    public required ImmutableArray<string> Suites { get; init; }

    public required long KeyLifetimeSeconds { get; init; }

    /// <summary>How long the key before stays usable.</summary>
    public required long KeyOverlapSeconds { get; init; }

    /// <summary>After this the enclave makes evidence anew.</summary>
    public required long EvidenceLifetimeSeconds { get; init; }

    /// <summary>Sealed requests remembered under one key; more are refused.</summary>
    public required int ReplayCapacity { get; init; }

    /// <summary>The furthest that a sealed request may expire ahead.</summary>
    public required long RequestExpirySeconds { get; init; }

    /// <summary>Plaintext bytes of one frame of an answer, whatever is in it.</summary>
    public required int FrameBytes { get; init; }

    /// <summary>Time between two frames of the steady shape.</summary>
    public required int FrameTickMilliseconds { get; init; }

    /// <summary>Paced answers last whole blocks, and the host hears of their cost at its edges.</summary>
    public required int BlockMilliseconds { get; init; }

    /// <summary>Fewest tokens in which the host hears of the cost of a paced answer.</summary>
    public required uint MinimumUnitTokens { get; init; }

    /// <summary>How long an answer waits for money before it ends.</summary>
    public required int PaymentWaitMilliseconds { get; init; }

    /// <summary>The required protections that did not say that they are on.</summary>
    [JsonIgnore]
    public IEnumerable<string> MissingProtections => RequiredProtections.Where(name => !Protections.TryGetValue(name, out string? state) || state != On);

    public static byte[] Digest(ReadOnlySpan<byte> document) => SHA256.HashData(document);

    /// <remarks>Member by member: an enclave writes this once, and a serializer would stay in its memory.</remarks>
    public byte[] Encode()
    {
        ArrayBufferWriter<byte> document = new(1 << 10);
        using (Utf8JsonWriter json = new(document))
        {
            json.WriteStartObject();
            json.WriteString("schema", Schema);
            json.WriteString("profile", Profile);
            json.WriteBoolean("may_run_unprotected", MayRunUnprotected);
            json.WriteStartObject("protections");
            foreach ((string name, string state) in Protections)
            {
                json.WriteString(name, state);
            }

            json.WriteEndObject();
            json.WriteStartArray("suites");
            foreach (string suite in Suites)
            {
                json.WriteStringValue(suite);
            }

            json.WriteEndArray();
            json.WriteNumber("key_lifetime_seconds", KeyLifetimeSeconds);
            json.WriteNumber("key_overlap_seconds", KeyOverlapSeconds);
            json.WriteNumber("evidence_lifetime_seconds", EvidenceLifetimeSeconds);
            json.WriteNumber("replay_capacity", ReplayCapacity);
            json.WriteNumber("request_expiry_seconds", RequestExpirySeconds);
            json.WriteNumber("frame_bytes", FrameBytes);
            json.WriteNumber("frame_tick_milliseconds", FrameTickMilliseconds);
            json.WriteNumber("block_milliseconds", BlockMilliseconds);
            json.WriteNumber("minimum_unit_tokens", MinimumUnitTokens);
            json.WriteNumber("payment_wait_milliseconds", PaymentWaitMilliseconds);
            json.WriteEndObject();
        }

        return document.WrittenSpan.ToArray();
    }

    /// <summary><c>false</c> for anything but the canonical form within the limit.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> document, [NotNullWhen(true)] out EnclavePolicy? policy)
    {
        policy = null;
        if (document.Length > MaxSize)
        {
            return false;
        }

        try
        {
            policy = JsonSerializer.Deserialize<EnclavePolicy>(document, s_options);
        }
        catch (JsonException)
        {
            return false;
        }

        if (policy is { Schema: CurrentSchema, Profile: Embedded or Upstream, Suites.IsDefault: false }
            && policy.Protections.Values.All(state => state is On or Off or Unavailable)
            && document.SequenceEqual(policy.Encode()))
        {
            return true;
        }

        policy = null;
        return false;
    }
}
