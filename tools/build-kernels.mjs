// Compiles our AssemblyScript kernels (src/engine/wasm/assembly) to src/engine/wasm/build, in variants that differ in the
// memory they import (tfjs's plain one, or the shared one of its threaded build) and in whether they multiply and add in
// one operation, which not every browser knows. Skips what is up to date.
import { pathToFileURL } from 'node:url';
import { fingerprint, once, root } from './once.mjs';

const sources = 'src/engine/wasm/assembly';
const output = 'src/engine/wasm/build';

const common = ['-O3', '--runtime', 'stub', '--importMemory', '--noExportMemory', '--enable', 'simd'];
// tfjs's threaded module makes its memory with a maximum of 4 GiB, and an importing module must name no smaller one.
const shared = ['--enable', 'threads', '--sharedMemory', '--maximumMemory', '65536'];
const fused = ['--enable', 'relaxed-simd'];
const variants = {
  'kernels.wasm': ['index.ts', ...common],
  'kernels-fused.wasm': ['index.ts', ...common, ...fused],
  'kernels-threads.wasm': ['pool.ts', ...common, ...shared],
  'kernels-threads-fused.wasm': ['pool.ts', ...common, ...shared, ...fused],
};

/** Builds all variants if a source or this file changed. Throws with asc's messages. */
export async function buildKernels() {
  const outputs = Object.keys(variants).map((name) => `${output}/${name}`);
  await once('kernels', fingerprint([sources, 'tools/build-kernels.mjs']), outputs, async () => {
    const { default: asc } = await import('assemblyscript/asc');
    for (const [name, [entry, ...flags]] of Object.entries(variants)) {
      const args = [`${sources}/${entry}`, '--outFile', `${output}/${name}`, ...flags];
      const { error, stderr } = await asc.main(args, { baseDir: root });
      if (error) throw new Error(`AssemblyScript could not build ${name}:\n${stderr.toString()}`);
    }
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await buildKernels();
