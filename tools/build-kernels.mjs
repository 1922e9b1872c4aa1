// Compiles our AssemblyScript kernels (src/engine/wasm/assembly) to src/engine/wasm/build, in two variants that differ
// in the memory they import: tfjs's plain one, or the shared one of its threaded build. Skips what is up to date.
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import asc from 'assemblyscript/asc';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const sources = 'src/engine/wasm/assembly';
const output = 'src/engine/wasm/build';

const common = ['-O3', '--runtime', 'stub', '--importMemory', '--noExportMemory', '--enable', 'simd'];
// tfjs's threaded module makes its memory with a maximum of 4 GiB, and an importing module must name no smaller one.
const shared = ['--enable', 'threads', '--sharedMemory', '--maximumMemory', '65536'];
const variants = { 'kernels.wasm': common, 'kernels-threads.wasm': [...common, ...shared] };

const modified = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** Builds both variants where a source (or this file) is newer than the output. Throws with asc's messages. */
export async function buildKernels() {
  const inDirectory = join(root, sources);
  const entries = readdirSync(inDirectory).filter((name) => name.endsWith('.ts'));
  const newest = Math.max(
    ...entries.map((name) => modified(join(inDirectory, name))),
    modified(fileURLToPath(import.meta.url)),
  );
  mkdirSync(join(root, output), { recursive: true });
  for (const [name, flags] of Object.entries(variants)) {
    if (modified(join(root, output, name)) > newest) continue;
    const args = [`${sources}/index.ts`, '--outFile', `${output}/${name}`, ...flags];
    const { error, stderr } = await asc.main(args, { baseDir: root });
    if (error) throw new Error(`AssemblyScript could not build ${name}:\n${stderr.toString()}`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await buildKernels();
