import { Address, beginCell, Builder, Cell, convertToMerkleProof, Dictionary, exoticMerkleProof, exoticMerkleUpdate, serializeTuple, TupleReader } from '@ton/core';

export const bytes = (random, length) => Buffer.from(Array.from({ length }, () => random.below(256)));
export const bigint = (random, bits) => {
  if (bits === 0) return 0n;
  const edge = random.below(8);
  const top = 1n << BigInt(bits);
  if (edge === 0) return 0n;
  if (edge === 1) return top - 1n;
  if (edge === 2) return top >> 1n;
  if (edge === 3) return 1n;
  return BigInt(`0x${bytes(random, Math.ceil(bits / 8)).toString('hex')}`) % top;
};
export const hex = (cell, options = { idx: false, crc32: true }) => cell.toBoc(options).toString('hex');
export const hash = (cell) => cell.hash().toString('hex');
export const address = (random) => new Address(random.pick([0, 0, -1, 127]), random.chance(0.1) ? Buffer.alloc(32, random.pick([0, 255])) : bytes(random, 32));
const bits = (random, builder, count) => {
  const data = bytes(random, Math.ceil(count / 8));
  for (let i = 0; i < count; i++) builder.storeBit((data[i >> 3] >> (7 - (i & 7))) & 1);
  return builder;
};

/** A random tree with shared cells; at most 1,023 bits each. */
export function tree(random, depth = 3, size = 1023) {
  const pool = [beginCell().endCell()];
  const total = 1 + random.below(2 ** depth + 2);
  for (let i = 0; i < total; i++) {
    const builder = bits(random, beginCell(), random.pick([0, 1, 7, 8, 9, 255, 256, 1016, 1022, 1023, random.below(1024)].filter((n) => n <= size)));
    for (let r = random.below(5); r > 0; r--) builder.storeRef(random.pick(pool.slice(-6)));
    pool.push(builder.endCell());
  }
  return pool.at(-1);
}

function recipe(random) {
  const built = [];
  const steps = [];
  for (let c = 1 + random.below(4); c > 0; c--) {
    const builder = beginCell();
    const list = [];
    for (let s = random.below(14); s > 0; s--) {
      const kind = random.pick(['bit', 'bits', 'bytes', 'utf8', 'uint', 'int', 'coins', 'varuint', 'addr', 'ref', 'mref']);
      const next = new Builder();
      let step;
      if (kind === 'bit') { const b = random.below(2); next.storeBit(b); step = ['bit', b]; }
      if (kind === 'bits') {
        const n = random.below(100);
        bits(random, next, n);
        // Bits past the length are zero, as in the reference's answers.
        const raw = beginCell().storeBuilder(next).storeUint(0, (8 - (n % 8)) % 8).endCell().beginParse().loadBuffer(Math.ceil(n / 8));
        step = ['bits', n, raw.toString('hex')];
      }
      if (kind === 'bytes') { const b = bytes(random, random.below(30)); next.storeBuffer(b); step = ['bytes', b.toString('hex')]; }
      if (kind === 'utf8') { const t = random.pick(['', 'TON', 'привет', '🦀 крб', 'ß\u0000x']); next.storeBuffer(Buffer.from(t)); step = ['utf8', t]; }
      if (kind === 'uint') { const n = random.pick([0, 1, 8, 31, 32, 33, 63, 64, 65, 127, 255, 256]); const v = bigint(random, n); next.storeUint(v, n); step = ['uint', n, `${v}`]; }
      if (kind === 'int') {
        const n = random.pick([1, 2, 8, 31, 32, 33, 63, 64, 65, 255, 256, 257]);
        const v = bigint(random, n) - (1n << BigInt(n - 1));
        next.storeInt(v, n);
        step = ['int', n, `${v}`];
      }
      if (kind === 'coins') { const v = bigint(random, random.pick([8, 30, 64, 119, 120])); next.storeCoins(v); step = ['coins', `${v}`]; }
      if (kind === 'varuint') { const n = random.pick([3, 4, 5]); const v = bigint(random, random.below(8 * (2 ** n - 1)) + 1); next.storeVarUint(v, n); step = ['varuint', n, `${v}`]; }
      if (kind === 'addr') { const a = random.chance(0.2) ? null : address(random); next.storeAddress(a); step = ['addr', a === null ? null : a.toRawString()]; }
      if (kind === 'ref' && built.length > 0) { const r = random.below(built.length); next.storeRef(built[r]); step = ['ref', r]; }
      if (kind === 'mref') {
        const r = built.length > 0 && random.chance(0.7) ? random.below(built.length) : null;
        next.storeMaybeRef(r === null ? null : built[r]);
        step = ['mref', r];
      }
      if (step === undefined || builder.bits + next.bits > 1023 || builder.refs + next.refs > 4) continue;
      builder.storeBuilder(next);
      list.push(step);
    }
    built.push(builder.endCell());
    steps.push(list);
  }
  return { cell: built.at(-1), steps };
}

/** Any bag: several roots, index, cache bits, wide sizes, the two legacy magics, written by hand. */
export function bag(random, roots, options = {}) {
  const order = [];
  const seen = new Map();
  const visit = (cell) => {
    const key = hash(cell);
    if (seen.has(key)) return;
    seen.set(key, null);
    for (let i = cell.refs.length - 1; i >= 0; i--) visit(cell.refs[i]);
    order.push(cell);
  };
  for (const root of roots) visit(root);
  order.reverse();
  order.forEach((cell, i) => seen.set(hash(cell), i));
  const magic = options.magic ?? 'b5ee9c72';
  const generic = magic === 'b5ee9c72';
  const least = order.length < 256 ? 1 : 2;
  const size = Math.max(least, options.size ?? least);
  const number = (value, width) => { const out = Buffer.alloc(width); let v = BigInt(value); for (let i = width - 1; i >= 0; i--) { out[i] = Number(v & 255n); v >>= 8n; } return out; };
  const ends = [];
  const body = [];
  let total = 0;
  for (const cell of order) {
    const padded = beginCell().storeBits(cell.bits);
    const full = cell.bits.length % 8 === 0;
    if (!full) { padded.storeBit(1); while (padded.bits % 8 !== 0) padded.storeBit(0); }
    const data = padded.bits === 0 ? Buffer.alloc(0) : (padded.bits <= 1023 ? padded.endCell().beginParse().loadBuffer(padded.bits / 8) : null);
    if (data === null) return null;
    const stored = options.hashes && random.chance(0.5) && cell.mask.value === 0;
    const d1 = cell.refs.length + (cell.isExotic ? 8 : 0) + (stored ? 16 : 0) + (cell.mask.value << 5);
    const parts = [Buffer.from([d1, Math.floor(cell.bits.length / 8) + Math.ceil(cell.bits.length / 8)])];
    if (stored) parts.push(cell.hash(), number(cell.depth(), 2));
    parts.push(data, ...cell.refs.map((ref) => number(seen.get(hash(ref)), size)));
    const encoded = Buffer.concat(parts);
    total += encoded.length;
    ends.push(total);
    body.push(encoded);
  }
  const offset = options.offset ?? Math.max(1, Math.ceil(Math.log2(2 * total + 2) / 8));
  const index = !generic || options.index;
  const cache = generic && index && options.cache;
  const crc = generic ? options.crc : magic === 'acc3a728';
  const head = [Buffer.from(magic, 'hex'), Buffer.from([generic ? (index ? 0x80 : 0) + (crc ? 0x40 : 0) + (cache ? 0x20 : 0) + size : size, offset]),
    number(order.length, size), number(roots.length, size), number(0, size), number(total, offset)];
  if (generic) head.push(...roots.map((root) => number(seen.get(hash(root)), size)));
  if (index) head.push(...ends.map((end) => number(cache ? end * 2 + random.below(2) : end, offset)));
  const all = Buffer.concat([...head, ...body]);
  return crc ? Buffer.concat([all, crc32c(all)]) : all;
}

export function crc32c(data) {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  const out = Buffer.alloc(4);
  out.writeUInt32LE(~crc >>> 0);
  return out;
}

const prune = (cell) => {
  const builder = beginCell().storeUint(1, 8).storeUint(1, 8).storeBuffer(cell.hash(0)).storeUint(cell.depth(0), 16);
  return new Cell({ bits: builder.endCell().bits, exotic: true });
};

/** The tree with some of its branches pruned. */
function pruned(random, cell, chance) {
  if (cell.level() === 0 && random.chance(chance) && cell.refs.length > 0) return prune(cell);
  return new Cell({ bits: cell.bits, refs: cell.refs.map((ref) => (random.chance(0.3) && !ref.isExotic && ref.level() === 0 ? prune(ref) : pruned(random, ref, 0.1))), exotic: cell.isExotic });
}

function exotic(random) {
  const kind = random.below(6);
  if (kind === 0) return convertToMerkleProof(pruned(random, tree(random), 0));
  if (kind === 1) return new Cell({ bits: beginCell().storeUint(2, 8).storeBuffer(bytes(random, 32)).endCell().bits, exotic: true });
  if (kind === 2) {
    const [from, to] = [pruned(random, tree(random), 0.3), pruned(random, tree(random), 0.3)];
    const b = beginCell().storeUint(4, 8).storeBuffer(from.hash(0)).storeBuffer(to.hash(0)).storeUint(from.depth(0), 16).storeUint(to.depth(0), 16);
    return new Cell({ bits: b.endCell().bits, refs: [from, to], exotic: true });
  }
  if (kind === 3) {
    // The reference handles the dense masks 1, 3 and 7.
    const [mask, n] = random.pick([[1, 1], [3, 2], [7, 3]]);
    const b = beginCell().storeUint(1, 8).storeUint(mask, 8);
    for (let i = 0; i < n; i++) b.storeBuffer(bytes(random, 32));
    for (let i = 0; i < n; i++) b.storeUint(random.below(1000), 16);
    return new Cell({ bits: b.endCell().bits, exotic: true });
  }
  if (kind === 4) return beginCell().storeUint(random.below(256), 8).storeRef(exotic(random)).storeRef(pruned(random, tree(random), 0.5)).endCell();
  return pruned(random, tree(random), 0.5);
}

const TYPES = { [-1]: 'ordinary', 1: 'pruned', 2: 'library', 3: 'merkle_proof', 4: 'merkle_update' };

function dictionary(random) {
  const addressKeys = random.chance(0.15);
  const width = addressKeys ? 267 : random.pick([1, 2, 3, 8, 16, 32, 33, 64, 160, 255, 256, 500, 1000]);
  const kind = random.pick(['uint', 'bytes', 'ref', 'empty', 'coins']);
  const size = kind === 'uint' ? random.pick([1, 8, 32, 64, 256]) : kind === 'bytes' ? 8 * (1 + random.below(30)) : undefined;
  const value = {
    uint: () => [Dictionary.Values.BigUint(size), () => { const v = bigint(random, size); return [v, `${v}`]; }],
    bytes: () => [Dictionary.Values.Buffer(size / 8), () => { const v = bytes(random, size / 8); return [v, v.toString('hex')]; }],
    ref: () => [Dictionary.Values.Cell(), () => { const v = tree(random, 1, 64); return [v, hex(v, { idx: false, crc32: false })]; }],
    empty: () => [{ serialize: () => {}, parse: () => null }, () => ['', '']],
    coins: () => [Dictionary.Values.BigVarUint(4), () => { const v = bigint(random, 100); return [v, `${v}`]; }],
  }[kind]();
  const tight = kind === 'uint' ? size : kind === 'bytes' ? size : 124;
  if (width + tight + 20 > 1023) return dictionary(random);
  const dict = Dictionary.empty(addressKeys ? Dictionary.Keys.Address() : Dictionary.Keys.BigUint(width), value[0]);
  const base = bigint(random, width);
  const used = [];
  const ops = [];
  for (let n = random.pick([1, 2, 3, 20, 200]); n > 0; n--) {
    let key;
    if (addressKeys) key = address(random);
    else key = random.chance(0.4) ? (base ^ BigInt(random.below(256))) & ((1n << BigInt(width)) - 1n) : bigint(random, width);
    if (used.length > 1 && random.chance(0.2)) {
      key = random.pick(used);
      dict.delete(key);
      ops.push(['del', addressKeys ? key.toRawString() : `${key}`]);
      if (dict.size > 0) continue;
    }
    const [v, text] = value[1]();
    dict.set(key, v);
    used.push(key);
    ops.push(['set', addressKeys ? key.toRawString() : `${key}`, text]);
  }
  return { dict, width, addressKeys, ops, value: { kind, ...(size === undefined ? {} : { bits: size }) } };
}

function item(random, depth) {
  const kind = random.pick(['null', 'nan', 'int', 'int', 'cell', 'slice', 'builder', 'tuple']);
  switch (kind) {
    case 'null': case 'nan': return [{ type: kind }, { type: kind }];
    case 'int': {
      const width = random.pick([1, 8, 63, 64, 65, 256]);
      const v = random.chance(0.5) ? bigint(random, width) : -bigint(random, width) - BigInt(random.below(2));
      return [{ type: 'int', value: v }, { type: 'int', value: `${v}` }];
    }
    case 'tuple': {
      const inner = depth === 0 ? [] : Array.from({ length: random.pick([0, 1, 2, 3, 20]) }, () => item(random, depth - 1));
      return [{ type: 'tuple', items: inner.map((i) => i[0]) }, { type: 'tuple', items: inner.map((i) => i[1]) }];
    }
    default: {
      const cell = tree(random, 2);
      return [{ type: kind, cell }, { type: kind, boc: hex(cell) }];
    }
  }
}

export const kinds = {
  cell(random, i) {
    const { cell, steps } = i % 4 === 0 ? { cell: tree(random, 5), steps: null } : recipe(random);
    const out = { hash: hash(cell), depth: cell.depth(), bits: cell.bits.length, refs: cell.refs.length };
    const boc = hex(cell, { idx: random.chance(0.3), crc32: random.chance(0.5) });
    return steps === null
      ? { in: { boc }, out: { ...out, own_boc: hex(cell) } }
      : { in: { boc, recipe: steps }, out: { ...out, recipe_hash: hash(cell), own_boc: hex(cell) } };
  },
  boc(random) {
    const magic = random.pick(['b5ee9c72', 'b5ee9c72', 'b5ee9c72', '68ff65f3', 'acc3a728']);
    const roots = Array.from({ length: magic === 'b5ee9c72' ? 1 + random.below(4) : 1 }, () => (random.chance(0.3) ? exotic(random) : tree(random, 4)));
    const unique = [...new Map(roots.map((root) => [hash(root), root])).values()];
    const boc = bag(random, unique, { magic, index: random.chance(0.5), cache: random.chance(0.5), crc: random.chance(0.5), hashes: random.chance(0.3), size: 1 + random.below(4), offset: random.chance(0.3) ? 4 + random.below(5) : undefined });
    // The reference writes no bag whose padded data fills 1,024 bits; such a draw is made again.
    return boc === null ? kinds.boc(random) : { in: { boc: boc.toString('hex') }, out: { roots: unique.map(hash) } };
  },
  boc_check(random) {
    const cell = tree(random, 4);
    const good = cell.toBoc({ idx: random.chance(0.3), crc32: true });
    const bad = Buffer.from(good);
    switch (random.below(6)) {
      case 0: bad[random.below(bad.length)] ^= 1 << random.below(8); return { in: { boc: bad.toString('hex'), why: 'crc' }, out: { ok: false } };
      case 1: return { in: { boc: bad.subarray(0, random.below(bad.length)).toString('hex'), why: 'truncated' }, out: { ok: false } };
      case 2: return { in: { boc: Buffer.concat([bad, Buffer.from([0])]).toString('hex'), why: 'left over' }, out: { ok: false } };
      case 3: return { in: { boc: `b5ee9c7201010101000400010${random.pick([1, 2, 4])}${random.pick(['ab', '80', 'ff'])}00`.slice(0, 32), why: 'reference to itself' }, out: { ok: false } };
      case 4: bad[0] ^= 255; return { in: { boc: bad.toString('hex'), why: 'magic' }, out: { ok: false } };
      default: return { in: { boc: good.toString('hex') }, out: { ok: true } };
    }
  },
  exotic(random) {
    const cell = exotic(random);
    return {
      in: { boc: hex(cell) },
      out: { type: TYPES[cell.type], level: cell.level(), level_mask: cell.mask.value, hashes: [0, 1, 2, 3].map((l) => cell.hash(l).toString('hex')), depths: [0, 1, 2, 3].map((l) => cell.depth(l)), own_boc: hex(cell) },
    };
  },
  merkle(random) {
    const width = random.pick([8, 32, 64, 256]);
    const size = random.pick([1, 32, 64, 256]);
    const dict = Dictionary.empty(Dictionary.Keys.BigUint(width), Dictionary.Values.BigUint(size));
    for (let n = 2 + random.below(40); n > 0; n--) dict.set(bigint(random, width), bigint(random, size));
    const key = random.pick(dict.keys());
    return { in: { proof_boc: hex(dict.generateMerkleProof([key])), key_bits: width, key: `${key}`, value_bits: size },
      out: { root_hash: hash(beginCell().storeDictDirect(dict).endCell()), value: `${dict.get(key)}` } };
  },
  dict(random) {
    const { dict, width, addressKeys, ops, value } = dictionary(random);
    const cell = beginCell().storeDict(dict).endCell();
    return { in: { key_bits: width, address_keys: addressKeys, value, ops, boc: hex(cell) }, out: { hash: hash(cell), size: dict.size, own_boc: hex(cell) } };
  },
  stack(random, i) {
    const items = Array.from({ length: random.pick([0, 1, 2, 5, 30]) }, () => item(random, 3));
    if (i % 10 === 9) {
      // A list, as Lisp would have it: pairs nested to the right.
      let cons = [{ type: 'null' }, { type: 'null' }];
      for (let n = random.pick([20, 100, 200]); n > 0; n--) cons = [{ type: 'tuple', items: [{ type: 'int', value: BigInt(n) }, cons[0]] }, { type: 'tuple', items: [{ type: 'int', value: `${n}` }, cons[1]] }];
      items.push(cons);
    }
    const cell = serializeTuple(items.map((pair) => pair[0]));
    return { in: { items: items.map((pair) => pair[1]) }, out: { stack_hash: hash(cell), own_boc: hex(cell) } };
  },
};
