import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Cell } from '@ton/core';
import { runTolkCompiler } from '@ton/tolk-js';

/** Compiles one Tolk file; imports are read beside it, through `read` when sources are not on disk. */
export async function compileTolk(path, read = (file) => readFileSync(file, 'utf8')) {
  const directory = dirname(path);
  const result = await runTolkCompiler({
    entrypointFileName: basename(path),
    fsReadCallback: (name) => read(join(directory, name)),
    optimizationLevel: 2,
  });
  if (result.status === 'error') throw new Error(`${path}: ${result.message}`);
  return {
    code: Cell.fromBase64(result.codeBoc64),
    sources: result.sourcesSnapshot,
  };
}
