// `npm run bench`: loads the benchmark, which is TypeScript, and hands over the arguments. A first word asks for another
// measurement: `scale` (models of true size through every stage), `kernels` (the wasm kernels) or `wgsl` (the WebGPU ones).
import { runnerImport } from 'vite';

const others = { scale: './scale.mjs', kernels: './kernels.mjs', wgsl: './webgpu.mjs' };
const [word = ''] = process.argv.slice(2);
if (Object.hasOwn(others, word)) {
  process.argv.splice(2, 1);
  await import(others[word]);
} else {
  const { module } = await runnerImport('./bench/main.ts');
  process.exitCode = await module.bench(process.argv.slice(2));
}
