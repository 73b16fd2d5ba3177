/** Writes TL: little-endian numbers, byte strings padded to 4. */
export class TlWriter {
  #parts = [];

  uint32(value) {
    const part = Buffer.alloc(4);
    part.writeUInt32LE(value >>> 0);
    return this.raw(part);
  }

  uint64(value) {
    const part = Buffer.alloc(8);
    part.writeBigUInt64LE(BigInt.asUintN(64, value));
    return this.raw(part);
  }

  raw(bytes) {
    this.#parts.push(Buffer.from(bytes));
    return this;
  }

  bytes(value) {
    const head = value.length < 254 ? Buffer.from([value.length]) : Buffer.from([254, value.length & 255, (value.length >> 8) & 255, value.length >> 16]);
    return this.raw(head).raw(value).raw(Buffer.alloc(-(head.length + value.length) & 3));
  }

  bool(value) {
    return this.uint32(value ? 0x997275b5 : 0xbc799737);
  }

  block({ workchain, shard, seqno, rootHash, fileHash }) {
    return this.uint32(workchain).uint64(shard).uint32(seqno).raw(rootHash).raw(fileHash);
  }

  end() {
    return Buffer.concat(this.#parts);
  }
}

/** Reads TL; what does not fit throws RangeError. */
export class TlReader {
  #data;
  #at = 0;

  constructor(data) {
    this.#data = data;
  }

  uint32() {
    return this.raw(4).readUInt32LE();
  }

  int32() {
    return this.raw(4).readInt32LE();
  }

  uint64() {
    return this.raw(8).readBigUInt64LE();
  }

  raw(length) {
    if (this.#at + length > this.#data.length) throw new RangeError('TL message is truncated');
    this.#at += length;
    return this.#data.subarray(this.#at - length, this.#at);
  }

  bytes() {
    let length = this.raw(1)[0];
    let head = 1;
    if (length === 255) throw new RangeError('TL byte string with a reserved length');
    if (length === 254) {
      const size = this.raw(3);
      length = size[0] | (size[1] << 8) | (size[2] << 16);
      head = 4;
    }
    const value = this.raw(length);
    this.raw(-(head + length) & 3);
    return value;
  }

  block() {
    return { workchain: this.int32(), shard: this.uint64(), seqno: this.uint32(), rootHash: this.raw(32), fileHash: this.raw(32) };
  }
}
