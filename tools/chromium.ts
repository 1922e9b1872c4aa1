// Finds the Chromium that tests, demo and command line run in: one named by CHROMIUM_PATH, an installed Chrome or
// Chromium, Playwright's own download, or, on Debian as root, the package. Every choice is told, none is silent.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { PlaygroundError } from '../src/shared/errors.ts';

/** What the finder asks of the machine; tests hand in another. */
export interface Machine {
  platform: NodeJS.Platform;
  env: Record<string, string | undefined>;
  home: string;
  isExecutable: (path: string) => boolean;
  /** Names in a directory; none where it is absent. */
  list: (directory: string) => string[];
  /** Installs Debian's chromium package; false where that is not possible. */
  install: () => boolean;
}

const commands = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome'];

/** Where an installed Chrome or Chromium may be, best first. */
function installedPlaces({ platform, env, home }: Machine): string[] {
  if (platform === 'darwin') {
    return ['/Applications', join(home, 'Applications')].flatMap((folder) => [
      join(folder, 'Google Chrome.app/Contents/MacOS/Google Chrome'),
      join(folder, 'Chromium.app/Contents/MacOS/Chromium'),
    ]);
  }
  if (platform === 'win32') {
    const folders = [env['PROGRAMFILES'], env['PROGRAMFILES(X86)'], env['LOCALAPPDATA']];
    return folders
      .filter((folder) => folder !== undefined)
      .flatMap((folder) => [
        join(folder, 'Google/Chrome/Application/chrome.exe'),
        join(folder, 'Chromium/Application/chrome.exe'),
      ]);
  }
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return [...commands.flatMap((name) => folders.map((folder) => join(folder, name))), '/snap/bin/chromium'];
}

/** Playwright's downloads: full Chromium only, its headless shell has no WebGPU. Newest first. */
function playwrightPlaces({ platform, env, home, list }: Machine): string[] {
  const caches: Partial<Record<NodeJS.Platform, string>> = {
    darwin: join(home, 'Library/Caches/ms-playwright'),
    win32: join(env['LOCALAPPDATA'] ?? home, 'ms-playwright'),
  };
  const root = env['PLAYWRIGHT_BROWSERS_PATH'] ?? caches[platform] ?? join(home, '.cache/ms-playwright');
  const inside = [
    'chrome-linux64/chrome',
    'chrome-linux/chrome',
    'chrome-win64/chrome.exe',
    'chrome-win/chrome.exe',
    'chrome-mac-arm64/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing',
    'chrome-mac-x64/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing',
    'chrome-mac/Chromium.app/Contents/MacOS/Chromium',
  ];
  return list(root)
    .filter((name) => /^chromium-\d+$/.test(name))
    .sort((a, b) => Number(b.slice(9)) - Number(a.slice(9)))
    .flatMap((name) => inside.map((path) => join(root, name, path)));
}

/** The path of a Chromium and how it was found. Throws a PlaygroundError that says what to install. */
export function findChromium(machine: Machine): { path: string; how: string } {
  const named = machine.env['CHROMIUM_PATH'];
  if (named !== undefined && named !== '') {
    if (machine.isExecutable(named)) return { path: named, how: 'named by CHROMIUM_PATH' };
    throw new PlaygroundError(
      'not-found',
      `CHROMIUM_PATH is ${named}, which is not an executable file.`,
      'Set it to the full path of a Chrome or Chromium, or unset it to let one be found.',
    );
  }
  const search = () => {
    const installed = installedPlaces(machine).find((path) => machine.isExecutable(path));
    if (installed !== undefined) return { path: installed, how: 'installed' };
    const downloaded = playwrightPlaces(machine).find((path) => machine.isExecutable(path));
    return downloaded === undefined ? null : { path: downloaded, how: "Playwright's download" };
  };
  const found = search() ?? (machine.install() ? search() : null);
  if (found) return found;
  throw new PlaygroundError(
    'not-found',
    'No Chrome or Chromium was found on this machine.',
    'Install Chrome or Chromium, or run `npx playwright install chromium`, or set CHROMIUM_PATH to one.',
  );
}

/** Debian and its kin as root: the distribution's own package. */
function installDebianPackage(): boolean {
  const root = process.getuid?.() === 0;
  if (!root || !existsSync('/etc/debian_version')) return false;
  console.error('No Chromium found: installing the Debian package (apt-get install chromium) …');
  const apt = (...args: string[]) =>
    spawnSync('apt-get', args, {
      stdio: ['ignore', 2, 2],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }).status === 0;
  return apt('update', '-q') && apt('install', '-yq', '--no-install-recommends', 'chromium');
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export const thisMachine: Machine = {
  platform: process.platform,
  env: process.env,
  home: homedir(),
  isExecutable,
  list: (directory) => (existsSync(directory) ? readdirSync(directory) : []),
  install: installDebianPackage,
};

export type Gpu = 'software' | 'any' | 'none';

/**
 * What Chromium is not to do. For every window it loads what its address bar could show, two pages that nobody will see,
 * which costs as much as our own page. The rest is Playwright's list: of this flag given twice only the last one counts.
 */
const UNWANTED = `WebUIOmniboxPopup WebUIOmniboxAimPopup
  AvoidUnnecessaryBeforeUnloadCheckSync DestroyProfileOnBrowserClose HttpsUpgrades HttpsFirstBalancedModeAutoEnable
  LensOverlay MediaRouter PaintHolding ThirdPartyStoragePartitioning AvoidCorsURLLoaderRestartOnRedirect
  OptimizationHints NetworkTimeServiceQuerying AimEnabled PreconnectToSearch`.split(/\s+/);

/**
 * Launch options for Playwright. `software` forces the SwiftShader adapter so that WebGPU runs anywhere, `any` takes
 * what the machine has, `none` leaves WebGPU off. Chromium refuses its sandbox to root.
 */
export function launchOptions(gpu: Gpu, machine = thisMachine): { executablePath: string; args: string[] } {
  const flags: Record<Gpu, string[]> = {
    software: ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
    any: ['--enable-unsafe-webgpu', '--ignore-gpu-blocklist', '--enable-features=Vulkan'],
    none: [],
  };
  const { path } = findChromium(machine);
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return { executablePath: path, args: [...sandbox, `--disable-features=${UNWANTED.join()}`, ...flags[gpu]] };
}
