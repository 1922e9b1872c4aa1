// The built site: builds it when its sources changed, and serves it to a person.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fingerprint, once, root } from './once.mjs';
import { serve } from './server.ts';

export const siteFolder = join(root, 'dist');

const sources = ['src', 'public', 'models', 'index.html', 'tools', 'vite.config.ts', 'package-lock.json'];

/** Builds dist/ unless it is up to date, saying so on stderr. */
export async function buildSite(): Promise<void> {
  await once('site', fingerprint(sources), ['dist/index.html'], async () => {
    console.error('Building the site …');
    const { build } = await import('vite');
    await build({ root, logLevel: 'warn' });
  });
}

/** Opens an address in the person's browser, where there is a screen to show it on. */
function openBrowser(url: string): void {
  const { platform, env } = process;
  if (platform === 'linux' && !env['DISPLAY'] && !env['WAYLAND_DISPLAY']) return;
  const command = platform === 'darwin' ? 'open' : platform === 'win32' ? 'explorer' : 'xdg-open';
  spawn(command, [url], { stdio: 'ignore', detached: true })
    .on('error', () => console.log('No browser could be opened; open the address yourself.'))
    .unref();
}

/** `npm start`: the built page at a local address until Ctrl-C. A port that is taken gives way to a free one. */
export async function start(port: number, open: boolean): Promise<void> {
  await buildSite();
  const server = await serve({ site: siteFolder, port }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
      console.log(`Port ${port} is taken; using another.`);
      return serve({ site: siteFolder, port: 0 });
    }
    throw error;
  });
  console.log(`The playground is at ${server.url} (Ctrl-C ends it).`);
  if (open) openBrowser(server.url);
}
