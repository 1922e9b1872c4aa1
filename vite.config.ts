// Builds the site: the page, and the bare page the command line opens (tools/host). The engine is reached only from
// the worker, so it lands in a chunk of its own; paths are relative, so the site can be served from any folder.
import { cpSync, existsSync, readdirSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';
import { buildKernels } from './tools/build-kernels.mjs';
import { isolationHeaders, policyOf } from './tools/headers.ts';

/** Our wasm kernels are there before anything imports them: in development, tests and builds alike. */
function kernels(): Plugin {
  return { name: 'kernels', config: buildKernels };
}

/** What the built site has and the source tree has elsewhere: the bundled models, and the policy in each page. */
function site(): Plugin {
  return {
    name: 'site',
    apply: 'build',
    transformIndexHtml: (_, { filename }) => [
      { tag: 'meta', attrs: { 'http-equiv': 'Content-Security-Policy', content: policyOf(filename) } },
    ],
    writeBundle: ({ dir }) => cpSync('models', `${dir ?? 'dist'}/models`, { recursive: true }),
  };
}

/**
 * tfjs starts its wasm threads from the text of a bundled function, in which a minifier may leave names of the module
 * around it. Both places that do so only look for the script's own address, which tfjs gives anyhow.
 */
function selfContainedThreads(): Plugin {
  const outerNames = [
    'if(typeof _scriptDir !== "undefined" && _scriptDir){scriptDirectory=_scriptDir}',
    '||_scriptDir',
  ];
  return {
    name: 'self-contained-threads',
    transform(code, id) {
      if (!id.includes('tfjs-backend-wasm-threaded-simd.js')) return null;
      if (!outerNames.every((name) => code.includes(name)))
        this.error('tfjs-backend-wasm has changed; see above');
      return { code: outerNames.reduce((text, name) => text.replace(name, ''), code), map: null };
    },
  };
}

/** transformers.js serves as tokenizer only: its neural runtime, 27 MB that nothing starts, stays out of the site. */
function tokenizerOnly(): Plugin {
  const runtime = 'onnxruntime-web/webgpu';
  return {
    name: 'tokenizer-only',
    enforce: 'pre',
    resolveId: (id) => (id === runtime ? `\0${runtime}` : null),
    load: (id) => (id === `\0${runtime}` ? 'export {};' : null),
  };
}

// The engine's chunks carry the worker's name: .size-limit.json counts all others as the page.
const workerFile = 'assets/worker-[name]-[hash].js';

/** The recorded experiments that ship. */
const recorded = existsSync('public/recorded') ? readdirSync('public/recorded') : [];

export default defineConfig({
  base: './',
  define: { __RECORDED__: JSON.stringify(recorded) },
  plugins: [svelte(), kernels(), site()],
  worker: {
    format: 'es',
    plugins: () => [selfContainedThreads(), tokenizerOnly()],
    rolldownOptions: { output: { entryFileNames: workerFile, chunkFileNames: workerFile } },
  },
  server: { headers: isolationHeaders },
  preview: { headers: isolationHeaders },
  // Reached by dynamic imports only, so the dev server would find them late and reload under a running test.
  optimizeDeps: {
    include: ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-webgpu', '@tensorflow/tfjs-backend-wasm'],
  },
  build: {
    target: 'es2023',
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 4000,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      checks: { bundlerTimings: false },
      input: { index: 'index.html', open: 'open.html', host: 'tools/host/index.html' },
    },
  },
});
