// Small C programs of the measurements, compiled where they run.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Path of the program that NAME.c beside this file compiles to; compiled when it is missing or older. */
export function compile(root, name, ...flags) {
  const folder = join(root, 'artifacts', 'bench');
  mkdirSync(folder, { recursive: true });
  const source = join(root, 'scripts', 'bench.d', `${name}.c`), program = join(folder, name);
  if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs) {
    try {
      execFileSync('cc', ['-O3', '-march=native', '-D_GNU_SOURCE', '-o', program, source, ...flags], { stdio: ['ignore', 'ignore', 'inherit'] });
    } catch {
      throw new Error(`${name}.c could not be compiled; a C compiler named cc is needed (Debian: gcc)`);
    }
  }
  return program;
}
