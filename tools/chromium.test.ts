import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findChromium, type Machine } from './chromium.ts';

/** A machine on which the named files can be executed. */
function machine(files: string[], changes: Partial<Machine> = {}): Machine {
  return {
    platform: 'linux',
    env: { PATH: ['/usr/local/bin', '/usr/bin'].join(process.platform === 'win32' ? ';' : ':') },
    home: '/home/ada',
    isExecutable: (path) => files.includes(path),
    list: () => [],
    install: () => false,
    ...changes,
  };
}

const download = (version: string) =>
  join('/home/ada/.cache/ms-playwright', `chromium-${version}`, 'chrome-linux64/chrome');

describe('the order of the search', () => {
  test('CHROMIUM_PATH comes first', () => {
    const env = { PATH: '/usr/bin', CHROMIUM_PATH: '/opt/mine' };
    const found = findChromium(machine(['/usr/bin/chromium', '/opt/mine'], { env }));
    expect(found).toEqual({ path: '/opt/mine', how: 'named by CHROMIUM_PATH' });
  });

  test('a CHROMIUM_PATH that cannot be run is an error, not a reason to take another', () => {
    const env = { PATH: '/usr/bin', CHROMIUM_PATH: '/opt/none' };
    expect(() => findChromium(machine(['/usr/bin/chromium'], { env }))).toThrow('/opt/none');
  });

  test('an installed one comes before a download, Chromium before Chrome', () => {
    const files = ['/usr/bin/google-chrome', '/usr/bin/chromium', download('1200')];
    const found = findChromium(machine(files, { list: () => ['chromium-1200'] }));
    expect(found).toEqual({ path: '/usr/bin/chromium', how: 'installed' });
  });

  test("the newest of Playwright's downloads, never its headless shell", () => {
    const list = () => ['chromium_headless_shell-1300', 'chromium-999', 'chromium-1200', 'ffmpeg-1011'];
    const found = findChromium(machine([download('999'), download('1200')], { list }));
    expect(found.path).toBe(download('1200'));
  });

  test('the package is installed only when nothing else is there', () => {
    const files: string[] = [];
    let installs = 0;
    const install = () => {
      installs++;
      files.push('/usr/bin/chromium');
      return true;
    };
    const bare = machine(files, { install });
    expect(findChromium(bare).path).toBe('/usr/bin/chromium');
    expect(findChromium(bare).path).toBe('/usr/bin/chromium');
    expect(installs).toBe(1);
  });

  test('with none to be had, the error says what to install', () => {
    expect(() => findChromium(machine([]))).toThrow('No Chrome or Chromium was found');
  });
});

test('macOS and Windows have their own places', () => {
  const mac = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';
  expect(findChromium(machine([mac], { platform: 'darwin' })).path).toBe(mac);
  const windows = join('C:/Program Files', 'Google/Chrome/Application/chrome.exe');
  const env = { PROGRAMFILES: 'C:/Program Files' };
  expect(findChromium(machine([windows], { platform: 'win32', env })).path).toBe(windows);
});
