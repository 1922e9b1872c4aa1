// Cross-origin isolation on a host that sends no headers for it, so that the wasm engine has its threads there too: a
// service worker adds the headers, from the next load of the page on.

const TRIED = 'isolation tried';

/** Registers the service worker where isolation is missing and can be had, and loads the page again, once, while the
 *  person has not touched it yet. True if it is about to. Without service workers the page goes on with one thread. */
export async function isolate(): Promise<boolean> {
  if (crossOriginIsolated || !isSecureContext || !('serviceWorker' in navigator)) return false;
  if (navigator.serviceWorker.controller || sessionStorage.getItem(TRIED)) return false;
  sessionStorage.setItem(TRIED, 'yes');
  const touched = new AbortController();
  for (const event of ['pointerdown', 'keydown']) {
    addEventListener(event, () => touched.abort(), { once: true, capture: true });
  }
  try {
    await navigator.serviceWorker.register('isolation-worker.js');
    await navigator.serviceWorker.ready;
  } catch {
    return false;
  }
  if (touched.signal.aborted) return false;
  location.reload();
  return true;
}
