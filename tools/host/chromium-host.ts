// The worker in a headless Chromium: our host page passes commands in and events out.
import { findChromium, launchOptions, thisMachine } from '../chromium.ts';
import type { Host, HostOptions } from '../session.ts';

export async function openChromium({ backend, url, token, tell, fail }: HostOptions): Promise<Host> {
  const { path, how } = findChromium(thisMachine);
  console.error(`Chromium: ${path} (${how})`);
  const { chromium } = await import('playwright'); // Half a second that a command without a browser need not wait.
  const server = await chromium.launchServer({
    ...launchOptions(backend === 'wasm' ? 'none' : 'any'),
    headless: true,
  });
  try {
    const browser = await chromium.connect(server.wsEndpoint());
    const context = await browser.newContext();
    await context.addCookies([{ name: 'token', value: token, url, httpOnly: true, sameSite: 'Strict' }]);
    const page = await context.newPage();
    page.on('crash', () => fail('The browser page crashed.'));
    browser.on('disconnected', () => fail('The browser ended.'));
    page.on('pageerror', ({ message }) => fail(`The host page failed: ${message}`));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning')
        console.error(`worker: ${message.text()}`);
    });
    await page.exposeBinding('tell', (_, event: Parameters<typeof tell>[0]) => tell(event));
    await page.goto(`${url}tools/host/index.html`);
    return {
      send: (command) => page.evaluate((message) => window.ask(message), command),
      kill: () => server.process().kill('SIGKILL'),
      close: () => server.close(),
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}
