// Where the site's own files are (models/, public/): at the root in development and tests, and one folder above the
// script in the built site, which may lie in any folder of any host.

/** The URL of a file of the site, for page and worker alike: `siteFile('models/stories-neo/config.json')`. */
export function siteFile(path: string): string {
  // Held apart from `new URL`, which Vite would otherwise take for an asset to bundle.
  const script = import.meta.url;
  return import.meta.env.DEV ? `/${path}` : new URL(`../${path}`, script).href;
}
