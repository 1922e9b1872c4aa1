// Cross-origin isolation on a host that sends no headers for it, so that the wasm engine has its threads there too: a
// service worker adds the headers, from the next load of the page on.

const TRIED = 'isolation tried';

/** Whether it was not tried in this tab yet; where that cannot be kept in mind, it is not tried at all. */
function firstTry(): boolean {
  try {
    const first = sessionStorage.getItem(TRIED) === null;
    sessionStorage.setItem(TRIED, 'yes');
    return first;
  } catch {
    return false;
  }
}

/** Registers the service worker where isolation is missing and can be had, and loads the page again, once, while the
 *  person has not touched it yet. True if it is about to. Without service workers the page goes on with one thread. */
export async function isolate(): Promise<boolean> {
  if (crossOriginIsolated || !isSecureContext || !('serviceWorker' in navigator)) return false;
  if (!firstTry()) return false;
  const touched = new AbortController();
  for (const event of ['pointerdown', 'keydown']) {
    addEventListener(event, () => touched.abort(), { once: true, capture: true });
  }
  try {
    if (navigator.serviceWorker.controller) return false;
    await navigator.serviceWorker.register('isolation-worker.js');
    await navigator.serviceWorker.ready;
  } catch {
    return false;
  }
  if (touched.signal.aborted) return false;
  location.reload();
  return true;
}
