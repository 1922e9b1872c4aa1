// Builds the site: the page, and the bare page the command line opens (tools/host). The engine is reached only from
// the worker, so it lands in a chunk of its own; paths are relative, so the site can be served from any folder.
import { cpSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';
import { buildKernels } from './tools/build-kernels.mjs';
import { firstPicture } from './tools/first-picture.ts';
import { isolationHeaders, policyOf } from './tools/headers.ts';
import { root } from './tools/once.mjs';

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
    writeBundle: ({ dir }) =>
      cpSync(join(root, 'models'), join(dir ?? 'dist', 'models'), { recursive: true }),
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

/** What the first script loads is named in the page itself, so that the browser need not run it to know. */
function loadsAhead(): Plugin {
  return {
    name: 'loads-ahead',
    transformIndexHtml: {
      order: 'post',
      handler(html, { bundle = {}, filename }) {
        if (!filename.endsWith('/index.html') || filename.includes('/tools/')) return [];
        const page = Object.values(bundle).find(
          (file) => file.type === 'chunk' && file.facadeModuleId?.endsWith('/src/page.ts'),
        );
        if (page?.type !== 'chunk') return [];
        const links = [...(page.viteMetadata?.importedCss ?? [])].map((href) => ({
          rel: 'stylesheet',
          href,
        }));
        const scripts = [page.fileName, ...page.imports]
          .filter((href) => !html.includes(href))
          .map((href) => ({ rel: 'modulepreload', href }));
        return [...scripts, ...links].map(({ rel, href }) => ({
          tag: 'link',
          attrs: { rel, href: `./${href}`, crossorigin: true },
          injectTo: 'head' as const,
        }));
      },
    },
  };
}

/**
 * uPlot asks for the machine's language and time zone as it is loaded, for axes of time that we have none of. In a new
 * browser the answer takes longer than all else before the first picture.
 */
function chartsWithoutLocale(): Plugin {
  const asked = {
    "new Intl.NumberFormat(domEnv ? nav.language : 'en-US')": '{ format: String }',
    'new Intl.DateTimeFormat().resolvedOptions().timeZone': 'undefined',
  };
  return {
    name: 'charts-without-locale',
    transform(code, id) {
      if (!id.includes('uPlot.esm.js')) return null;
      if (!Object.keys(asked).every((call) => code.includes(call)))
        this.error('uPlot has changed; see above');
      const text = Object.entries(asked).reduce((all, [call, answer]) => all.replace(call, answer), code);
      return { code: text, map: null };
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
const shelf = join(root, 'public/recorded');
const recorded = existsSync(shelf) ? readdirSync(shelf) : [];
const define = { __RECORDED__: JSON.stringify(recorded) };

export default defineConfig({
  base: './',
  define,
  plugins: [
    svelte(),
    kernels(),
    site(),
    loadsAhead(),
    chartsWithoutLocale(),
    firstPicture([svelte()], define),
  ],
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
      // Svelte makes an Error as it is loaded, and for its stack the browser reads the script around it once more.
      output: { codeSplitting: { groups: [{ name: 'svelte', test: /node_modules\/svelte\// }] } },
    },
  },
});
