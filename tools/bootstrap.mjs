// The first thing every script runs: plain JavaScript without dependencies, so that it works on a fresh clone. It checks
// the Node version, installs what package-lock.json names, bundles our TypeScript tools and hands over to them.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fingerprint, once, root } from './once.mjs';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `This needs Node 20.19 or later; this is Node ${process.versions.node}. See https://nodejs.org.`,
  );
  process.exit(2);
}

function installDependencies() {
  const installed = join(root, 'node_modules/.package-lock.json');
  if (
    existsSync(installed) &&
    statSync(installed).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs
  )
    return;
  console.error('Installing the packages that package-lock.json names (npm ci) …');
  const { status } = spawnSync('npm', ['ci'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status === 0) return;
  console.error(
    'npm ci failed (see above). It needs the npm registry; run it again when that can be reached.',
  );
  process.exit(2);
}

/** Bundles tools/main.ts and what it imports; packages stay outside the bundle, and its files as deep as tools/. */
async function bundleTools() {
  await once('tools', fingerprint(['tools', 'src', 'package-lock.json']), ['build/main.mjs'], async () => {
    const { build } = await import('vite');
    await build({
      root,
      configFile: false,
      logLevel: 'warn',
      build: {
        ssr: 'tools/main.ts',
        outDir: 'build',
        emptyOutDir: false,
        target: 'node20',
        rolldownOptions: { output: { entryFileNames: '[name].mjs', chunkFileNames: '[name].mjs' } },
      },
    });
  });
}

installDependencies();
await bundleTools();
const { main } = await import(pathToFileURL(join(root, 'build/main.mjs')).href);
await main(process.argv[2], process.argv.slice(3));
