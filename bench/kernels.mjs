// `node bench/kernels.mjs`: measures the wasm engine's kernels in a Chromium page and writes Markdown to bench/results/;
// `--threads 1,2` says on how many threads.
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright';
import { createServer, runnerImport } from 'vite';

const { values } = parseArgs({ options: { threads: { type: 'string', default: '1,2' } } });

const load = loadavg()[0]?.toFixed(1);
const { module: tools } = await runnerImport('./tools/chromium.ts');
const server = await createServer({ logLevel: 'error', server: { port: 0, hmr: false, watch: null } });
await server.listen();
const browser = await chromium.launch(tools.launchOptions('none'));
const sections = [];
const version = browser.version();
try {
  for (const threads of values.threads.split(',').map(Number)) {
    const page = await browser.newPage();
    page.on('pageerror', (error) => console.error(error));
    await page.goto(`${server.resolvedUrls.local[0]}bench/page.html`);
    const section = await page.evaluate(
      (call) =>
        new Promise((resolve, reject) => {
          const worker = new Worker('/bench/kernels-worker.ts', { type: 'module' });
          worker.onmessage = ({ data }) =>
            data.error ? reject(new Error(data.error)) : resolve(data.result);
          worker.onerror = ({ message }) => reject(new Error(message));
          worker.postMessage(call);
        }),
      ['/bench/wasm-kernels.ts', 'kernels', threads],
    );
    console.log(`${section}\n`);
    sections.push(section);
    await page.close();
  }
} finally {
  await browser.close();
  await server.close();
}
const date = new Date().toISOString().slice(0, 10);
mkdirSync('bench/results', { recursive: true });
const file = `bench/results/wasm-kernels-${date}.md`;
const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} processors, load ${load} (other work) at the start`;
const note = `Chromium ${version}; ${machine}. Every time is the least of many, which other work can still lengthen.`;
writeFileSync(file, `# wasm kernels, ${date}\n\n${note}\n\n${sections.join('\n\n')}\n`);
console.log(`Written to ${file}.`);
