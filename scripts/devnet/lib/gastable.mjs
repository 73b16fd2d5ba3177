export const GAS_FILE = 'gas.json';
export const README_FILE = 'README.md';

const BEGIN = '<!-- gas table: written by scripts/contracts -->';
const END = '<!-- end of gas table -->';

/** The measured costs as the table of the contracts' README. */
export function renderTable({ code, operations }) {
  const size = code.map(({ name, cells, bits }) => `${name} ${cells} cells / ${group(bits)} bits`).join(' · ');
  const rows = operations.map(({ name, gas, fees }) => `| ${name} | ${group(gas)} | ${ton(fees['2026'])} | ${ton(fees.sandbox)} |`);
  return [
    BEGIN,
    `Code: ${size}.`,
    '',
    '| Operation | gas of the contract | all fees, TON, prices since May 2026 | all fees, TON, prices before |',
    '|---|---:|---:|---:|',
    ...rows,
    END,
  ].join('\n');
}

export function replaceTable(readme, measured) {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error('the README has lost the markers of its gas table');
  return readme.slice(0, begin) + renderTable(measured) + readme.slice(end + END.length);
}

function group(number) {
  return number.toString().replace(/\B(?=(\d{3})+$)/g, ',');
}

function ton(nanotons) {
  return (nanotons / 1e9).toFixed(5);
}
