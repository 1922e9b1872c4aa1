// `node bench/webgpu.mjs`: the WGSL kernels beside stock tfjs, under Node with Dawn on the software adapter that ships
// with Chromium, or on that of $VK_ICD_FILENAMES; writes Markdown to bench/results/. Starts itself again, as the loader of Vulkan reads its environment once.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createServer, runnerImport } from 'vite';

if (!process.env.VK_ICD_FILENAMES) {
  const { module: tools } = await runnerImport('./tools/chromium.ts');
  const places = [dirname(realpathSync(tools.findChromium(tools.thisMachine).path)), '/usr/lib/chromium'];
  const folder = places.find((place) => existsSync(join(place, 'vk_swiftshader_icd.json'))) ?? places[0];
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: folder,
    VK_ICD_FILENAMES: join(folder, 'vk_swiftshader_icd.json'),
  };
  process.exit(
    spawnSync(process.execPath, [fileURLToPath(import.meta.url)], { stdio: 'inherit', env }).status ?? 1,
  );
}

const { create, globals } = await import('webgpu');
Object.assign(globalThis, globals);
Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) }, configurable: true });
const server = await createServer({
  logLevel: 'error',
  server: { middlewareMode: true, hmr: false, ws: false, watch: null },
});
const { kernels } = await server.ssrLoadModule('/bench/webgpu-kernels.ts');
const { adapter, tables } = await kernels();
const date = new Date().toISOString().slice(0, 10);
const text = `# WGSL kernels, ${date}\n\nNode ${process.version} with Dawn, least of three.\n\n${tables}\n`;
const name = adapter.toLowerCase().match(/\w+/)[0];
const file = `bench/results/webgpu-kernels-${name}-${date}.md`;
mkdirSync('bench/results', { recursive: true });
writeFileSync(file, text);
console.log(`${text}\nWritten to ${file}.`);
process.exit(0); // Dawn's threads would keep it
