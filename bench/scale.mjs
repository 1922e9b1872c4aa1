// `node bench/scale.mjs`: loads the measurement of models of true size, which is TypeScript, and hands over the arguments.
import { runnerImport } from 'vite';

const { module } = await runnerImport('./bench/scale.ts');
process.exitCode = await module.scale(process.argv.slice(2));
