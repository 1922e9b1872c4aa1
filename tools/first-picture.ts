// Writes the page's first picture into the built index.html: runs the page's own code where there is no browser
// (src/prerender), on the recording that the page opens on. A build without that recording has none.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin, type PluginOption } from 'vite';
import { root } from './once.mjs';

const recording = join(root, 'public/recorded/kind-endings.recording');
const outDir = join(root, 'build/prerender');

/** `plugins` and `define` are those that the page is built with, as far as its code needs them. */
export function firstPicture(plugins: PluginOption[], define: Record<string, string>): Plugin {
  return {
    name: 'first-picture',
    apply: 'build',
    async transformIndexHtml(_, { filename }) {
      if (filename !== join(root, 'index.html') || !existsSync(recording)) return [];
      await build({
        ...{ root, configFile: false, logLevel: 'error', plugins, define },
        build: { ssr: 'src/prerender/first-picture.ts', outDir, emptyOutDir: true, copyPublicDir: false },
      });
      const made = (await import(pathToFileURL(join(outDir, 'first-picture.js')).href)) as {
        firstPicture: (file: Uint8Array) => string;
      };
      // Comments are for code that goes on from such HTML, and styles in it the policy forbids: main.ts puts them on.
      const html = made
        .firstPicture(readFileSync(recording))
        .replaceAll(/<!--.*?-->/g, '')
        .replaceAll(' style="', ' data-style="');
      return [{ tag: 'template', attrs: { id: 'first-picture' }, children: html, injectTo: 'body' }];
    },
  };
}
