// `npm run bench`: loads the benchmark, which is TypeScript, and hands over the arguments.
import { runnerImport } from 'vite';

const { module } = await runnerImport('./bench/main.ts');
process.exitCode = await module.bench(process.argv.slice(2));
