/** The data of a cell, with the completion tag where it does not fill its last byte. */
function taggedData(bits) {
  const data = Buffer.alloc(Math.ceil(bits.length / 8));
  for (let i = 0; i < bits.length; i++) if (bits.at(i)) data[i >> 3] |= 0x80 >> (i & 7);
  if (bits.length % 8 !== 0) data[bits.length >> 3] |= 0x80 >> (bits.length & 7);
  return data;
}

/** A bag of cells with any number of roots; @ton/core writes one root only. No index, no checksum. */
export function writeBag(roots) {
  const order = [];
  const index = new Map();
  const visit = (cell) => {
    const key = cell.hash().toString('hex');
    if (index.has(key)) return;
    index.set(key, 0);
    for (let i = cell.refs.length - 1; i >= 0; i--) visit(cell.refs[i]);
    order.push([key, cell]);
  };
  for (const root of roots) visit(root);
  order.reverse().forEach(([key], position) => index.set(key, position));
  const number = (value, width = 4) => {
    const out = Buffer.alloc(width);
    out.writeUIntBE(value, 0, width);
    return out;
  };
  const at = (cell) => number(index.get(cell.hash().toString('hex')));
  const body = Buffer.concat(order.map(([, cell]) => Buffer.concat([
    Buffer.from([cell.refs.length + (cell.isExotic ? 8 : 0) + (cell.mask.value << 5), (cell.bits.length >> 3) + Math.ceil(cell.bits.length / 8)]),
    taggedData(cell.bits),
    ...cell.refs.map(at),
  ])));
  return Buffer.concat([Buffer.from('b5ee9c72', 'hex'), Buffer.from([4, 4]), number(order.length), number(roots.length), number(0), number(body.length), ...roots.map(at), body]);
}
