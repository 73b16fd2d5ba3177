import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { Address, beginCell, comment, contractAddress, external, internal, SendMode, storeMessage, storeMessageRelaxed, storeStateInit } from '@ton/core';
import { mnemonicNew, mnemonicToPrivateKey } from '@ton/crypto';
import { WalletContractV4, WalletContractV5R1 } from '@ton/ton';
import { address, bigint, bytes, crc32c, hash, hex, tree } from './cells.mjs';

const L = (1n << 252n) + 27742317777372353535851937790883648493n;
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');
const keyOf = (seed) => {
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' });
  return { privateKey, publicKey: Buffer.from(createPublicKey(privateKey).export({ format: 'jwk' }).x, 'base64url') };
};
const little = (buffer) => BigInt(`0x${Buffer.from(buffer).reverse().toString('hex')}`);

function crc16(data) {
  let crc = 0;
  for (const byte of data) {
    crc ^= byte << 8;
    for (let k = 0; k < 8; k++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}

function crc32(data) {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

const init = (random) => ({ code: tree(random, 2), data: tree(random, 1) });

function badFriendly(random, good) {
  const at = random.below(48);
  switch (random.below(6)) {
    case 0: return good.slice(0, -1);
    case 1: return `${good}A`;
    case 2: return good.slice(0, at) + (good[at] === 'A' ? 'B' : 'A') + good.slice(at + 1);
    case 3: return good.slice(0, at) + random.pick(['!', ' ', '.', '=', 'é']) + good.slice(at + 1);
    case 4: {
      // A tag of no meaning, with its checksum right.
      const raw = Buffer.from(good, 'base64url');
      raw[0] = random.pick([0x00, 0x10, 0x12, 0x50, 0x31, 0xd2]);
      raw.writeUInt16BE(crc16(raw.subarray(0, 34)), 34);
      return raw.toString('base64url');
    }
    default: return `${random.pick(['', 'x', '0x0', '1.5'])}:${bytes(random, 32).toString('hex')}`;
  }
}

export const kinds = {
  address(random, i) {
    const a = address(random);
    const text = { bounceable: a.toString(), non_bounceable: a.toString({ bounceable: false }), test_bounceable: a.toString({ testOnly: true }), test_non_bounceable: a.toString({ testOnly: true, bounceable: false }) };
    if (i % 3 === 0) {
      return { in: { raw: a.toRawString() }, out: { ...text, bounceable_std: a.toString({ urlSafe: false }), non_bounceable_std: a.toString({ urlSafe: false, bounceable: false }), cell_hash: hash(beginCell().storeAddress(a).endCell()) } };
    }
    const name = random.pick(Object.keys(text));
    if (i % 3 === 1) {
      return { in: { friendly: random.chance(0.5) ? text[name] : text[name].replaceAll('-', '+').replaceAll('_', '/') }, out: { ok: true, raw: a.toRawString(), bounceable: !name.includes('non'), test_only: name.includes('test') } };
    }
    return { in: { friendly: badFriendly(random, text[name]) }, out: { ok: false } };
  },
  hashfn(random, i) {
    if (i % 3 === 0) {
      const data = bytes(random, random.pick([0, 1, 2, 31, 32, 1000]));
      return { in: { data: data.toString('hex') }, out: { crc16: crc16(data).toString(16).padStart(4, '0'), crc32c: crc32c(data).toString('hex') } };
    }
    const word = Array.from({ length: 1 + random.below(20) }, () => random.pick([...'abcdefghijklmnopqrstuvwxyz_09'])).join('');
    if (i % 3 === 1) return { in: { method: word }, out: { method_id: crc16(Buffer.from(word)) | 0x10000 } };
    const declaration = `${word}.item value:${random.pick(['int', 'long', 'bytes', '(vector int256)'])} = ${word}.Type`;
    return { in: { tl: declaration }, out: { tl_id: crc32(Buffer.from(declaration.replace(/[()]/g, ''))) } };
  },
  key(random, i) {
    const seed = bytes(random, 32);
    const message = bytes(random, random.pick([0, 1, 32, 64, 300]));
    const { privateKey, publicKey } = keyOf(seed);
    const signature = sign(null, message, privateKey);
    const question = { op: 'verify', public: publicKey.toString('hex'), message: message.toString('hex'), signature: signature.toString('hex') };
    switch (i % 6) {
      case 0: return { in: { op: 'sign', seed: seed.toString('hex'), message: message.toString('hex') }, out: { public: publicKey.toString('hex'), signature: signature.toString('hex') } };
      case 1: return { in: question, out: { ok: true } };
      case 2: signature[random.below(64)] ^= 1 << random.below(8); return { in: { ...question, signature: signature.toString('hex') }, out: { ok: false } };
      case 3: publicKey[random.below(32)] ^= 1 << random.below(8); return { in: { ...question, public: publicKey.toString('hex') }, out: { ok: false } };
      case 4: return { in: { op: 'channel_key', public: publicKey.toString('hex') }, out: { ok: true } };
      default: {
        const s = little(signature.subarray(32)) + L;
        Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse().copy(signature, 32);
        return { in: { ...question, signature: signature.toString('hex'), why: 'S + L' }, out: { ok: false } };
      }
    }
  },
  async mnemonic(random, i) {
    const password = i % 3 === 1 ? random.pick(['x', 'пароль', 'a b']) : undefined;
    const words = await mnemonicNew(24, i % 2 === 1 ? password : undefined);
    const key = await mnemonicToPrivateKey(words, password);
    const seed = key.secretKey.subarray(0, 32).toString('hex');
    return password === undefined
      ? { in: { words: words.join(' ') }, out: { ok: true, seed, public: key.publicKey.toString('hex') } }
      : { in: { words: words.join(' '), password }, out: { seed } };
  },
  state_init(random) {
    const workchain = random.pick([0, -1]);
    const value = { ...(random.chance(0.9) ? { code: tree(random, 2) } : {}), ...(random.chance(0.9) ? { data: tree(random, 2) } : {}),
      ...(random.chance(0.3) ? { splitDepth: random.below(32) } : {}), ...(random.chance(0.3) ? { special: { tick: random.chance(0.5), tock: random.chance(0.5) } } : {}) };
    const cell = beginCell().store(storeStateInit(value)).endCell();
    return {
      in: { workchain, code_boc: value.code ? hex(value.code) : null, data_boc: value.data ? hex(value.data) : null, tick_tock: value.special ?? null, split_depth: value.splitDepth ?? null },
      out: { address: contractAddress(workchain, value).toRawString(), hash: hash(cell), own_boc: hex(cell) },
    };
  },
  wallet(random, i) {
    const version = i % 2 === 0 ? 'v4r2' : 'v5r1';
    const seed = bytes(random, 32);
    const { privateKey, publicKey } = keyOf(seed);
    const workchain = random.pick([0, 0, -1]);
    const network = random.pick([-239, -3]);
    const subwallet = random.pick([0, 1, 32767]);
    const wallet = version === 'v4r2'
      ? WalletContractV4.create({ workchain, publicKey, walletId: 698983191 + workchain + subwallet })
      : WalletContractV5R1.create({ publicKey, walletId: { networkGlobalId: network, context: { workchain, subwalletNumber: subwallet, walletVersion: 'v5r1' } } });
    const questions = [];
    const messages = [];
    const most = version === 'v4r2' ? 4 : random.pick([4, 255]);
    for (let n = random.pick([1, most]); n > 0; n--) {
      const to = address(random);
      const value = bigint(random, random.pick([1, 30, 60, 63]));
      const bounce = random.chance(0.5);
      const text = random.chance(0.3) ? random.pick(['', 'hello', 'привет'.repeat(30), '🦀'.repeat(100), 'x'.repeat(500)]) : null;
      const body = text === null && random.chance(0.6) ? tree(random, 2) : null;
      const state = random.chance(0.3) ? init(random) : null;
      questions.push({ to: to.toRawString(), value: `${value}`, bounce, comment: text, body_boc: body && hex(body), init: state && { code_boc: hex(state.code), data_boc: hex(state.data) } });
      messages.push(internal({ to, value, bounce, body: body ?? (text === null ? undefined : comment(text)), init: state ?? undefined }));
    }
    const seqno = random.pick([0, 1, 99, 4294967295]);
    const sendMode = random.pick([0, 1, 3, 64, 128, 130, 160]);
    const validUntil = 1_800_000_000 + random.below(1_000_000);
    const body = wallet.createTransfer({ seqno, sendMode: version === 'v5r1' ? sendMode | SendMode.IGNORE_ERRORS : sendMode, messages, timeout: validUntil, signer: async () => Buffer.alloc(64), secretKey: Buffer.concat([seed, publicKey]) });
    const message = external({ to: wallet.address, init: seqno === 0 ? wallet.init : undefined, body });
    const cell = beginCell().store(storeMessage(message)).endCell();
    const normalized = beginCell().store(storeMessage({ ...external({ to: wallet.address, body }) }, { forceRef: true })).endCell();
    return {
      in: { version, seed: seed.toString('hex'), workchain, network, subwallet, seqno, valid_until: validUntil, send_mode: sendMode, messages: questions },
      out: {
        wallet_id: version === 'v4r2' ? wallet.walletId : Number(BigInt.asUintN(32, BigInt(wallet.walletId.serialized ?? v5id(network, workchain, subwallet)))),
        address: wallet.address.toRawString(),
        init_hash: hash(beginCell().store(storeStateInit(wallet.init)).endCell()),
        out_message_hashes: messages.map((m) => hash(beginCell().store(storeMessageRelaxed(m)).endCell())),
        body_hash: hash(body), body_boc: hex(body), external_hash: hash(cell), external_boc: hex(cell), normalized_hash: hash(normalized),
      },
    };
  },
};

const v5id = (network, workchain, subwallet) => BigInt.asUintN(32, BigInt(network)) ^ (0x80000000n | (BigInt.asUintN(8, BigInt(workchain)) << 23n) | BigInt(subwallet));
