import { Cell } from '@ton/core';
import { invalid } from './errors.mjs';

const MAX_ENTRIES = 255;
const MAX_DEPTH = 16;
const INT_LIMIT = 1n << 256n;

/** Arguments of a get-method, from the JSON of toncenter v2 to TVM values. */
export function parseStackArguments(value) {
  return parseEntries(value ?? [], 0);
}

function parseEntries(entries, depth) {
  if (!Array.isArray(entries)) throw invalid('stack is not an array');
  if (entries.length > MAX_ENTRIES || depth > MAX_DEPTH) throw invalid('stack is too large');
  return entries.map((entry) => parseEntry(entry, depth));
}

function parseEntry(entry, depth) {
  if (!Array.isArray(entry) || entry.length < 1) throw invalid('a stack entry is ["type", value]');
  const [type, value] = entry;
  switch (type) {
    case 'num':
    case 'int':
      return { type: 'int', value: parseInteger(value) };
    case 'tvm.Cell':
    case 'cell':
      return { type: 'cell', cell: parseCell(value) };
    case 'tvm.Slice':
    case 'slice':
      return { type: 'slice', cell: parseCell(value) };
    case 'tvm.Builder':
    case 'builder':
      return { type: 'builder', cell: parseCell(value) };
    case 'tuple':
    case 'tvm.Tuple':
      return { type: 'tuple', items: parseEntries(value?.elements ?? value, depth + 1) };
    case 'null':
      return { type: 'null' };
    default:
      throw invalid(`unknown stack entry type ${JSON.stringify(type)?.slice(0, 40)}`);
  }
}

function parseInteger(value) {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? value.toString() : value;
  if (typeof text !== 'string' || !/^-?(0x[0-9a-f]{1,64}|[0-9]{1,78})$/i.test(text)) throw invalid('not a TVM integer');
  const number = text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text);
  if (number >= INT_LIMIT || number < -INT_LIMIT) throw invalid('the integer has more than 257 bits');
  return number;
}

function parseCell(value) {
  const text = typeof value === 'object' && value !== null ? value.bytes : value;
  if (typeof text !== 'string') throw invalid('a cell is a base64 bag of cells');
  try {
    return Cell.fromBase64(text);
  } catch (error) {
    throw invalid(`not a bag of one cell: ${error.message}`);
  }
}

/** Results of a get-method, from TVM values to the JSON of toncenter v2. */
export function formatStack(items) {
  return items.map((item) => {
    switch (item.type) {
      case 'int':
        return ['num', hexadecimal(item.value)];
      case 'nan':
        return ['num', 'NaN'];
      case 'cell':
      case 'slice':
      case 'builder':
        return [item.type, { bytes: base64(item.cell) }];
      case 'tuple':
        return ['tuple', { '@type': 'tvm.tuple', elements: item.items.map(formatElement) }];
      default:
        return ['list', { '@type': 'tvm.list', elements: [] }];
    }
  });
}

function formatElement(item) {
  switch (item.type) {
    case 'int':
      return { '@type': 'tvm.stackEntryNumber', number: { '@type': 'tvm.numberDecimal', number: item.value.toString() } };
    case 'cell':
      return { '@type': 'tvm.stackEntryCell', cell: { '@type': 'tvm.cell', bytes: base64(item.cell) } };
    case 'slice':
    case 'builder':
      return { '@type': 'tvm.stackEntrySlice', slice: { '@type': 'tvm.slice', bytes: base64(item.cell) } };
    case 'tuple':
      return { '@type': 'tvm.stackEntryTuple', tuple: { '@type': 'tvm.tuple', elements: item.items.map(formatElement) } };
    default:
      return { '@type': 'tvm.stackEntryList', list: { '@type': 'tvm.list', elements: [] } };
  }
}

function hexadecimal(value) {
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

function base64(cell) {
  return cell.toBoc().toString('base64');
}
