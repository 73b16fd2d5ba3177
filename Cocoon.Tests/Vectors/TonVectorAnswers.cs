using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Adnl;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Wallets;

namespace Cocoon.Tests.Vectors;

/// <summary>Answers one question of the TON vectors: <c>{kind, in}</c> to <c>out</c>.</summary>
internal static class TonVectorAnswers
{
    public static JsonObject Answer(string kind, JsonNode input) => kind switch
    {
        "cell" => CellAnswer(input),
        "boc" => new() { ["roots"] = new JsonArray([.. BocReader.Read(Bytes(input["boc"])).Select(root => (JsonNode)root.Hash.ToString())]) },
        "boc_check" => new() { ["ok"] = Accepts(Bytes(input["boc"])) },
        "exotic" => ExoticAnswer(BocReader.ReadSingle(Bytes(input["boc"]))),
        "merkle" => MerkleAnswer(input),
        "dict" => DictAnswer(input),
        "address" => AddressAnswer(input),
        "hashfn" => HashAnswer(input),
        "key" or "torsion" => KeyAnswer(input),
        "mnemonic" => MnemonicAnswer(input),
        "stack" => StackAnswer(input),
        "state_init" => StateInitAnswer(input),
        "wallet" => TonWalletVectors.Answer(input),
        "adnl" => AdnlAnswer(input),
        _ => throw new ArgumentException($"unknown kind '{kind}'"),
    };

    public static byte[] Bytes(JsonNode? hex) => Convert.FromHexString((string)hex!);

    public static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    public static string Boc(Cell cell) => Hex(BocWriter.Write(cell));

    public static Cell ReadCell(JsonNode? boc) => BocReader.ReadSingle(Bytes(boc));

    private static bool Accepts(byte[] boc)
    {
        try
        {
            return BocReader.Read(boc).Length > 0;
        }
        catch (TonException)
        {
            return false;
        }
    }

    private static JsonObject CellAnswer(JsonNode input)
    {
        Cell cell = ReadCell(input["boc"]);
        JsonObject answer = new()
        {
            ["hash"] = cell.Hash.ToString(),
            ["depth"] = cell.Depth,
            ["bits"] = cell.BitLength,
            ["refs"] = cell.References.Length,
            ["own_boc"] = Boc(cell),
        };
        if (input["recipe"] is JsonArray recipe)
        {
            answer["recipe_hash"] = Cook(recipe).Hash.ToString();
        }

        return answer;
    }

    private static Cell Cook(JsonArray recipe)
    {
        List<Cell> cells = [];
        foreach (JsonNode? steps in recipe)
        {
            CellBuilder builder = new();
            foreach (JsonNode? step in steps!.AsArray())
            {
                JsonArray s = step!.AsArray();
                _ = (string)s[0]! switch
                {
                    "bit" => builder.StoreBit((int)s[1]! != 0),
                    "bits" => builder.StoreBits(Bytes(s[2]), (int)s[1]!),
                    "bytes" => builder.StoreBytes(Bytes(s[1])),
                    "utf8" => builder.StoreUtf8((string)s[1]!),
                    "uint" => builder.StoreBigUInt(Integer(s[2]), (int)s[1]!),
                    "int" => builder.StoreBigInt(Integer(s[2]), (int)s[1]!),
                    "coins" => builder.StoreCoins((UInt128)Integer(s[1])),
                    "varuint" => builder.StoreVarUInt(Integer(s[2]), (int)s[1]!),
                    "addr" => builder.StoreAddress(s[1] is null ? null : TonAddress.Parse((string)s[1]!)),
                    "ref" => builder.StoreReference(cells[(int)s[1]!]),
                    "mref" => builder.StoreMaybeReference(s[1] is null ? null : cells[(int)s[1]!]),
                    var unknown => throw new ArgumentException($"unknown step '{unknown}'"),
                };
            }

            cells.Add(builder.Build());
        }

        return cells[^1];
    }

    private static BigInteger Integer(JsonNode? value) => BigInteger.Parse(value!.ToString(), CultureInfo.InvariantCulture);

    private static JsonObject ExoticAnswer(Cell cell) => new()
    {
        ["type"] = cell.Type switch
        {
            CellType.Ordinary => "ordinary",
            CellType.Pruned => "pruned",
            CellType.Library => "library",
            CellType.MerkleProof => "merkle_proof",
            _ => "merkle_update",
        },
        ["level"] = cell.Level,
        ["level_mask"] = cell.LevelMask,
        ["hashes"] = new JsonArray([.. Enumerable.Range(0, 4).Select(level => (JsonNode)cell.HashAt(level).ToString())]),
        ["depths"] = new JsonArray([.. Enumerable.Range(0, 4).Select(level => (JsonNode)cell.DepthAt(level))]),
        ["own_boc"] = Boc(cell),
    };

    private static JsonObject MerkleAnswer(JsonNode input)
    {
        Cell root = MerkleProof.Open(ReadCell(input["proof_boc"]));
        int keyBits = (int)input["key_bits"]!;
        byte[] key = new Hashmap(keyBits).IntegerKey(Integer(input["key"]));
        CellSlice dictionary = root.BeginParse();

        // The proof is of a bare dictionary, or of a cell that holds one (HashmapE).
        Cell? tree = root;
        if (dictionary.RemainingBits == 1)
        {
            tree = dictionary.LoadMaybeReference();
        }

        return new()
        {
            ["root_hash"] = root.HashAt(0).ToString(),
            ["value"] = HashmapReader.TryLookup(tree, keyBits, key, out CellSlice? value)
                ? value.LoadBigUInt((int)input["value_bits"]!).ToString(CultureInfo.InvariantCulture)
                : null,
        };
    }

    private static JsonObject DictAnswer(JsonNode input)
    {
        int keyBits = (int)input["key_bits"]!;
        bool addressKeys = (bool)input["address_keys"]!;
        Hashmap map = new(keyBits);
        foreach (JsonNode? operation in input["ops"]!.AsArray())
        {
            JsonArray op = operation!.AsArray();
            byte[] key = addressKeys
                ? new CellBuilder().StoreAddress(TonAddress.Parse((string)op[1]!)).Build().Data.ToArray()
                : map.IntegerKey(Integer(op[1]));
            if ((string)op[0]! == "set")
            {
                map.Set(key, DictValue(input["value"]!, op[2]));
            }
            else
            {
                map.Remove(key);
            }
        }

        Cell stored = new CellBuilder().StoreMaybeReference(map.ToCell()).Build();
        if (input["boc"] is { } boc)
        {
            // Reading what the reference wrote must give the same dictionary.
            Hashmap read = Hashmap.Read(ReadCell(boc).BeginParse().LoadMaybeReference(), keyBits);
            if (read.ToCell()?.Hash != map.ToCell()?.Hash)
            {
                throw new InvalidOperationException("the dictionary read differs from the dictionary built");
            }
        }

        return new() { ["hash"] = stored.Hash.ToString(), ["size"] = map.Count, ["own_boc"] = Boc(stored) };
    }

    private static Cell DictValue(JsonNode kind, JsonNode? value) => (string)kind["kind"]! switch
    {
        "ref" => new CellBuilder().StoreReference(ReadCell(value)).Build(),
        "empty" => Cell.Empty,
        "coins" => new CellBuilder().StoreCoins((UInt128)Integer(value)).Build(),
        "uint" => new CellBuilder().StoreBigUInt(Integer(value), (int)kind["bits"]!).Build(),
        "bytes" => new CellBuilder().StoreBits(Bytes(value), (int)kind["bits"]!).Build(),
        var unknown => throw new ArgumentException($"unknown value kind '{unknown}'"),
    };

    private static JsonObject AddressAnswer(JsonNode input)
    {
        if (input["raw"] is { } raw)
        {
            TonAddress address = TonAddress.Parse((string)raw!);
            return new()
            {
                ["bounceable"] = address.ToFriendly(true),
                ["non_bounceable"] = address.ToFriendly(false),
                ["test_bounceable"] = address.ToFriendly(true, testOnly: true),
                ["test_non_bounceable"] = address.ToFriendly(false, testOnly: true),
                ["bounceable_std"] = address.ToFriendly(true, urlSafe: false),
                ["non_bounceable_std"] = address.ToFriendly(false, urlSafe: false),
                ["cell_hash"] = new CellBuilder().StoreAddress(address).Build().Hash.ToString(),
            };
        }

        string text = (string)input["friendly"]!;
        if (TonAddress.TryParseFriendly(text, out TonAddress parsed, out TonAddress.FriendlyFlags flags))
        {
            return new()
            {
                ["ok"] = true,
                ["raw"] = parsed.ToString(),
                ["bounceable"] = flags.Bounceable,
                ["test_only"] = flags.TestOnly,
            };
        }

        return TonAddress.TryParseRaw(text, out parsed) ? new() { ["ok"] = true, ["raw"] = parsed.ToString() } : new() { ["ok"] = false };
    }

    private static JsonObject HashAnswer(JsonNode input)
    {
        if (input["method"] is { } method)
        {
            return new() { ["method_id"] = Checksums.MethodId((string)method!) };
        }

        if (input["tl"] is { } declaration)
        {
            return new() { ["tl_id"] = Checksums.TlId((string)declaration!) };
        }

        byte[] data = Bytes(input["data"]);
        byte[] crc32c = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(crc32c, Checksums.Crc32C(data));
        return new()
        {
            ["crc16"] = Checksums.Crc16(data).ToString("x4", CultureInfo.InvariantCulture),
            ["crc32c"] = Hex(crc32c),
        };
    }

    private static JsonObject KeyAnswer(JsonNode input)
    {
        switch ((string)input["op"]!)
        {
            case "sign":
                using (Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(Bytes(input["seed"])))
                {
                    return new() { ["public"] = key.PublicKey.ToString(), ["signature"] = Hex(key.Sign(Bytes(input["message"]))) };
                }

            case "verify":
                return new() { ["ok"] = Ed25519.Verify(Bytes(input["public"]), Bytes(input["message"]), Bytes(input["signature"])) };
            case "channel_key":
                return new() { ["ok"] = new Ed25519PublicKey(Bytes(input["public"])).IsPrimeOrder() };
            case var unknown:
                throw new ArgumentException($"unknown operation '{unknown}'");
        }
    }

    private static JsonObject MnemonicAnswer(JsonNode input)
    {
        string? password = (string?)input["password"];
        if (!Mnemonic.TryParse((string)input["words"]!, out Mnemonic? mnemonic, password))
        {
            return new() { ["ok"] = false };
        }

        using Ed25519PrivateKey key = mnemonic.DeriveKey(password);
        byte[] seed = new byte[Ed25519PrivateKey.SeedSize];
        key.ExportSeed(seed);
        JsonObject answer = new() { ["seed"] = Hex(seed) };
        if (password is null)
        {
            answer["ok"] = true;
            answer["public"] = key.PublicKey.ToString();
        }

        return answer;
    }

    private static JsonObject StackAnswer(JsonNode input)
    {
        Cell stack = StackValue.WriteStack([.. input["items"]!.AsArray().Select(item => ToStackValue(item!))]);
        Cell again = StackValue.WriteStack(StackValue.ReadStack(stack));
        return new() { ["stack_hash"] = again.Hash.ToString(), ["own_boc"] = Boc(stack) };
    }

    private static StackValue ToStackValue(JsonNode item) => (string)item["type"]! switch
    {
        "null" => new StackValue.Null(),
        "nan" => new StackValue.NotANumber(),
        "int" => new StackValue.Integer(Integer(item["value"])),
        "cell" => new StackValue.CellValue(ReadCell(item["boc"])),
        "slice" => new StackValue.Slice(ReadCell(item["boc"])),
        "builder" => new StackValue.Builder(ReadCell(item["boc"])),
        "tuple" => new StackValue.Tuple([.. item["items"]!.AsArray().Select(inner => ToStackValue(inner!))]),
        var unknown => throw new ArgumentException($"unknown stack value '{unknown}'"),
    };

    private static JsonObject StateInitAnswer(JsonNode input)
    {
        StateInit init = new(input["code_boc"] is null ? null : ReadCell(input["code_boc"]), input["data_boc"] is null ? null : ReadCell(input["data_boc"]))
        {
            SplitDepth = (int?)input["split_depth"],
            TickTock = input["tick_tock"] is { } special ? ((bool)special["tick"]!, (bool)special["tock"]!) : null,
        };
        return new()
        {
            ["address"] = init.AddressIn((int)input["workchain"]!).ToString(),
            ["hash"] = init.Hash.ToString(),
            ["own_boc"] = Boc(init.ToCell()),
        };
    }

    private static JsonObject AdnlAnswer(JsonNode input)
    {
        using Ed25519PrivateKey client = Ed25519PrivateKey.FromSeed(Bytes(input["client_seed"]));
        byte[] server = Bytes(input["server_public"]);
        byte[] shared = new byte[32];
        if (!AdnlHandshake.TryAgree(client, server, shared))
        {
            throw new InvalidOperationException("key of low order");
        }

        return new()
        {
            ["shared"] = Hex(shared),
            ["key_id"] = AdnlHandshake.KeyId(server).ToString(),
            ["handshake"] = Hex(AdnlHandshake.Create(client, server, Bytes(input["params"]))),
        };
    }
}
